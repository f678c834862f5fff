"""Tokens are fetched once for all who ask, and renewed before they end."""

import asyncio
import gc
import weakref
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from scripted_talkdesk import access, credentials
from talkdesk_operator.adapters.talkdesk.tokens import Token, TokenCache
from talkdesk_operator.domain.ports.talkdesk import Access, TalkdeskInvalidCredentials
from talkdesk_runtime.clock import Clock

HERE = access("http://127.0.0.1:1")
OTHER = access("http://127.0.0.1:1", credentials=credentials(client_id="other"), holder="team/other")


@dataclass
class Endpoint:
    """A token endpoint that can be held back and can fail."""

    lifetime: timedelta = timedelta(minutes=10)
    seconds: float = 0.0
    fetched: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None
    arrivals: asyncio.Queue[int] = field(default_factory=asyncio.Queue)

    async def fetch(self, _access: Access) -> Token:
        self.fetched += 1
        number = self.fetched
        self.arrivals.put_nowait(number)
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return Token(SecretStr(f"canary-{number}"), self.lifetime)

    async def asked(self, times: int = 1) -> None:
        async with asyncio.timeout(5):
            for _ in range(times):
                await self.arrivals.get()

    def cache(self, size: int = 10) -> TokenCache:
        clock = Clock(monotonic=lambda: self.seconds, now=lambda: datetime.now(UTC), sleep=asyncio.sleep)
        return TokenCache(self.fetch, size=size, clock=clock)


@pytest.fixture
def endpoint() -> Endpoint:
    made = Endpoint()
    made.open.set()
    return made


@pytest.mark.parametrize(
    ("lifetime", "good_for"),
    [(timedelta(minutes=10), 540), (timedelta(seconds=100), 90), (timedelta(), 0)],
)
async def test_a_token_is_renewed_before_it_expires(endpoint: Endpoint, lifetime: timedelta, good_for: int) -> None:
    endpoint.lifetime = lifetime
    tokens = endpoint.cache()
    first = await tokens.get(HERE)
    if good_for:
        endpoint.seconds = good_for - 0.1
        assert await tokens.get(HERE) is first
    endpoint.seconds = good_for
    assert await tokens.get(HERE) is not first


async def test_callers_at_the_same_time_share_one_request(endpoint: Endpoint) -> None:
    endpoint.open.clear()
    tokens = endpoint.cache()
    asking = [asyncio.create_task(tokens.get(HERE)) for _ in range(50)]
    other = asyncio.create_task(tokens.get(OTHER))
    await endpoint.asked(2)
    endpoint.open.set()
    assert len({id(token) for token in await asyncio.gather(*asking)}) == 1
    assert await other is not asking[0].result()


async def test_when_one_caller_is_cancelled_the_others_get_the_token(endpoint: Endpoint) -> None:
    endpoint.open.clear()
    tokens = endpoint.cache()
    first, second = (asyncio.create_task(tokens.get(HERE)) for _ in range(2))
    await endpoint.asked()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    endpoint.open.set()
    assert (await second).value.get_secret_value() == "canary-1"


async def test_an_error_reaches_all_callers_and_is_not_cached(endpoint: Endpoint) -> None:
    endpoint.failure = TalkdeskInvalidCredentials("no")
    tokens = endpoint.cache()
    failures = await asyncio.gather(tokens.get(HERE), tokens.get(HERE), return_exceptions=True)
    assert all(failure is endpoint.failure for failure in failures)
    endpoint.failure = None
    await tokens.get(HERE)
    assert endpoint.fetched == 2


@pytest.mark.case(20)
async def test_only_the_refused_token_is_dropped(endpoint: Endpoint) -> None:
    tokens = endpoint.cache()
    refused = await tokens.get(HERE)
    tokens.drop(HERE, refused)
    renewed = await tokens.get(HERE)
    tokens.drop(HERE, refused)
    assert await tokens.get(HERE) is renewed


@pytest.mark.case(20, 62)
async def test_a_token_whose_request_was_under_way_when_forgotten_is_not_cached(endpoint: Endpoint) -> None:
    endpoint.open.clear()
    tokens = endpoint.cache()
    old = asyncio.create_task(tokens.get(HERE))
    await endpoint.asked()
    tokens.forget(HERE.holder)
    new = asyncio.create_task(tokens.get(HERE))
    await endpoint.asked()
    endpoint.open.set()
    assert await old is not await new
    assert await tokens.get(HERE) is new.result()


@pytest.mark.case(62)
async def test_tokens_that_have_expired_go_when_the_next_one_of_their_installation_comes(endpoint: Endpoint) -> None:
    cache = endpoint.cache()
    old = weakref.ref((await cache.get(HERE)).value)
    rotated = replace(HERE, credentials=credentials(client_id="client-2"))
    good = weakref.ref((await cache.get(rotated)).value)
    assert old() is not None
    endpoint.seconds = 541
    await cache.get(rotated)
    gc.collect()
    assert old() is None
    assert good() is None


async def test_the_cache_is_bounded(endpoint: Endpoint) -> None:
    tokens = endpoint.cache(size=1)
    await tokens.get(HERE)
    await tokens.get(OTHER)
    await tokens.get(HERE)
    assert endpoint.fetched == 3


async def test_closing_ends_requests_under_way(endpoint: Endpoint) -> None:
    endpoint.open.clear()
    tokens = endpoint.cache()
    asking = asyncio.create_task(tokens.get(HERE))
    await endpoint.asked()
    await tokens.aclose()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_no_caller_shares_a_request_that_may_wait_longer_than_its_own(endpoint: Endpoint) -> None:
    cache = endpoint.cache()
    endpoint.open.clear()
    lanes = [
        replace(HERE, urgent=urgent, background=background) for urgent in (False, True) for background in (False, True)
    ]
    waiting = [asyncio.create_task(cache.get(lane)) for lane in lanes for _ in range(3)]
    await endpoint.asked(4)
    endpoint.open.set()
    await asyncio.gather(*waiting)
    assert endpoint.fetched == 4
    for lane in lanes:
        await cache.get(lane)
    assert endpoint.fetched == 4


async def test_forgetting_ends_the_sharing_of_every_request_under_way(endpoint: Endpoint) -> None:
    cache = endpoint.cache()
    endpoint.open.clear()
    sweep = replace(HERE, background=True)
    old = asyncio.create_task(cache.get(sweep))
    await endpoint.asked()
    cache.forget(HERE.holder)
    new = asyncio.create_task(cache.get(sweep))
    await endpoint.asked()
    endpoint.open.set()
    assert (await old).value.get_secret_value() == "canary-1"
    assert (await new).value.get_secret_value() == "canary-2"
    assert (await cache.get(HERE)).value.get_secret_value() == "canary-2"
