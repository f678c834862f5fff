"""Keys that signed events lately are there before the next one comes."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
import structlog

from builders.events import Signer, encode
from builders.ports import known_app
from builders.serving import until
from talkdesk_runtime.clock import Clock
from talkdesk_webhook.key_budgets import Asker
from talkdesk_webhook.key_keeper import KeyKeeper
from talkdesk_webhook.known_app import KnownApp
from talkdesk_webhook.signing_keys import KeyLifetimes, SigningKeys

SIGNER = Signer()
GATEWAY = "https://api.talkdeskapp.com"


class World:
    """A gateway that knows every key, apps, and a keeper by a clock that a test sets."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.apps: list[KnownApp] = []
        self.changed = asyncio.Event()
        self.now = 0.0
        self.down = False
        client = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        clock = Clock(monotonic=lambda: self.now, now=Clock.system().now, sleep=lambda _: asyncio.sleep(0))
        self.keys = SigningKeys(client, KeyLifetimes(), clock=clock)
        self.keeper = KeyKeeper(self.keys, self.listed, self.changed, timedelta(minutes=10), clock=clock)

    def answer(self, request: httpx.Request) -> httpx.Response:
        key_id = request.url.path.rpartition("/")[2]
        self.asked.append(key_id)
        said = encode({"key_id": key_id, "public_key": SIGNER.pem})
        return httpx.Response(503 if self.down else 200, stream=httpx.ByteStream(said))

    def listed(self) -> Iterator[KnownApp]:
        yield from self.apps

    def apply(self, *key_ids: str, name: str = "sentiment", verify: bool = True) -> None:
        app = known_app(name, verify_signatures=verify)
        self.apps.append(KnownApp("team", name, app.app_id, verify, app.hosts, None, key_ids))
        self.changed.set()


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.case(4)
async def test_keys_in_an_apps_status_are_fetched_once_for_all_apps_of_a_gateway(world: World) -> None:
    world.apply("new", "old")
    world.apply("new", name="second")
    world.apply("other", name="unsigned", verify=False)
    await world.keeper.refresh()
    await world.keeper.refresh()
    assert sorted(world.asked) == ["new", "old"]
    assert world.keys.is_known(GATEWAY, "new")


@pytest.mark.case(5)
async def test_keys_are_fetched_again_before_they_are_old_for_a_few_requests_an_hour(world: World) -> None:
    world.apply("in-status")
    world.keys.verified(GATEWAY, "signed-here", Asker("192.0.2.1"))
    for _ in range(120):
        await world.keeper.refresh()
        world.now += 30
        assert await world.keys.get(GATEWAY, "signed-here", Asker("192.0.2.1")) is not None
    assert 12 <= len(world.asked) <= 16


async def test_while_the_gateway_is_down_it_is_asked_twice_a_minute_and_a_key_is_used_on(world: World) -> None:
    world.apply("in-status")
    await world.keeper.refresh()
    world.down = True
    for _ in range(60):
        world.now += 30
        await world.keeper.refresh()
        assert await world.keys.get(GATEWAY, "in-status", Asker("192.0.2.1")) is not None
    assert len(world.asked) <= 60


async def test_a_new_app_has_its_keys_fetched_at_once(world: World) -> None:
    running = asyncio.create_task(world.keeper.run())
    await until(lambda: not world.changed.is_set())
    world.apply("first")
    await until(lambda: world.asked == ["first"], within=5)
    world.apply("second", name="second")
    await until(lambda: world.asked == ["first", "second"], within=5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_fault_in_one_round_ends_no_later_one(world: World) -> None:
    def broken() -> Iterator[KnownApp]:
        if not world.apps:
            raise OverflowError("date value out of range")
        yield from world.apps

    keeper = KeyKeeper(world.keys, broken, world.changed, timedelta(minutes=10), clock=Clock.system())
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(keeper.run())
        await until(lambda: bool(logs))
        world.apply("key")
        await until(lambda: world.asked == ["key"])
        running.cancel()
    assert [(each["event"], each["kind"]) for each in logs] == [("signing_keys.not_fetched_ahead", "OverflowError")]
