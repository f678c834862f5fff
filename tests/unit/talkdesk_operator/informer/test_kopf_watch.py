"""kopf's settings, its sessions, and kopf itself on a scripted API server."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import kopf
import pytest
from kubernetes.aio.client.configuration import Configuration

from builders.kube_api import answer, connect, kube_api
from builders.manual_clock import ManualClock
from builders.our_kinds_api import OurKindsApi, our_kinds_api
from builders.raw_objects import app, installation
from builders.serving import until
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_operator.informer.event_source import EventSource
from talkdesk_operator.informer.kopf_watch import LeasePlace, Login, kopf_settings, watch
from talkdesk_operator.observability.heartbeat import LEASES
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import Kube, resource_path

RNG = random.Random(1)  # noqa: S311 - a test


def test_kopf_never_gives_up_and_waits_a_minute_at_most() -> None:
    backoffs = kopf_settings(None, RNG).networking.error_backoffs
    assert not isinstance(backoffs, float)
    delays = list(islice(backoffs, 50))
    assert all(whole / 2 <= delay <= whole for delay, whole in zip(delays, (1, 2, 4, 8, 16, 32, 60, 60), strict=False))
    assert all(30 <= delay <= 60 for delay in delays[6:])
    assert next(iter(backoffs)) <= 1, "each request begins anew"


def test_kopf_is_configured_to_write_nothing() -> None:
    settings = kopf_settings(None, RNG)
    assert not settings.posting.enabled
    assert settings.peering.standalone
    storage = settings.persistence.diffbase_storage
    body = kopf.Body({})
    assert storage.fetch(body=body) is None
    assert storage.build(body=body) == {}
    with pytest.raises(NotImplementedError):
        storage.store(body=body, patch=kopf.Patch(), essence=storage.build(body=body))


def test_only_the_one_lease_is_watched() -> None:
    assert kopf_settings(LeasePlace("system", "operator"), RNG).watching.field_selectors[LEASES] == (
        "metadata.name=operator,metadata.namespace=system"
    )
    assert LEASES not in kopf_settings(None, RNG).watching.field_selectors


async def test_logins_that_follow_each_other_are_five_seconds_apart(tmp_path: Path) -> None:
    clock = ManualClock()
    async with kube_api() as server, await connect(tmp_path, server.url) as kube:
        login = Login(kube, clock.runtime_clock())
        await login.session()
        assert clock.sleeps == []
        await login.session()
        clock.advance(2)
        await login.session()
        clock.advance(60)
        await login.session()
        assert clock.sleeps == [5, 3, 0]
        await login.aclose()


async def test_each_request_of_kopf_has_the_credentials_of_its_moment(tmp_path: Path) -> None:
    token = tmp_path / "token"

    def renew(configuration: Configuration) -> None:
        configuration.api_key["BearerToken"] = f"bearer {token.read_text()}"

    async with kube_api(answer({})) as server:
        configuration = Configuration(host=server.url)
        configuration.refresh_api_key_hook = renew  # type: ignore[assignment]  # inferred from its first value, None
        async with Kube(configuration, user_agent="test/1", connections=1, timeout=timedelta(seconds=5)) as kube:
            login = Login(kube, Clock.system())
            session = (await login.session()).aiohttp_session
            for value in ("first\n", "second"):
                token.write_text(value)
                async with session.get(f"{server.url}/apis"):
                    pass
            assert [asked.headers["Authorization"] for asked in server.asked] == ["bearer first", "bearer second"]
            token.unlink()
            with pytest.raises(aiohttp.ClientConnectionError, match="can't be read"):
                await session.get(f"{server.url}/apis")
            await login.aclose()
            assert session.closed


@dataclass
class Watching:
    """kopf at work, and what its handlers got."""

    api: OurKindsApi
    kube: Kube
    task: "asyncio.Task[None]"
    events: list[tuple[Any, str]] = field(default_factory=list)
    started: list[bool] = field(default_factory=list)

    def names(self, kind: str | None) -> set[str]:
        return {name for change, name in self.events if change == kind}


@asynccontextmanager
async def watching(folder: Path, *objects: dict[str, Any], **refused: int) -> AsyncIterator[Watching]:
    registry = kopf.OperatorRegistry()
    async with our_kinds_api(folder, *objects) as api, await connect(folder, api.url) as kube:
        api.refused = refused
        events: list[tuple[Any, str]] = []
        started: list[bool] = []

        async def take(event: kopf.RawEvent, **_: Any) -> None:
            events.append((event["type"], event["object"]["metadata"]["name"]))

        for plural in ("talkdeskapps", "talkdeskinstallations"):
            kopf.on.event(GROUP, VERSION, plural, id="take", registry=registry)(take)
        settings = kopf_settings(None, RNG)
        versions: list[str] = []

        async def resume(plural: str, namespace: str) -> str:
            """Say what a listing of the API would: its version."""
            path = resource_path(GROUP, VERSION, plural, namespace)
            versions.append(str((await kube.request("GET", path))["metadata"]["resourceVersion"]))
            return versions[-1]

        running = watch(
            kube,
            registry,
            settings,
            ("team",),
            identity="pod-1",
            clock=Clock.system(),
            source=EventSource(kube, resume, Clock.system(), RNG),
            started=lambda: started.append(True),
        )
        task = asyncio.create_task(running)
        try:
            yield Watching(api, kube, task, events, started)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_what_changes_reaches_the_handlers_and_what_was_listed_does_not(tmp_path: Path) -> None:
    async with watching(tmp_path, app(), installation("i1")) as it:
        await until(lambda: it.api.watched == {"talkdeskapps", "talkdeskinstallations"})
        assert it.started == [True]
        assert not it.events
        it.api.put(installation("i2"))
        await until(lambda: it.names("ADDED") == {"i2"})
        it.api.delete("talkdeskinstallations", "i1")
        await until(lambda: it.names("DELETED") == {"i1"})
        assert not [line for line in it.api.requests if not line.startswith("GET")]


async def test_tasks_made_while_kopf_ran_survive_its_end_and_no_watch_does(tmp_path: Path) -> None:
    async with watching(tmp_path, installation("i1")) as it:
        await until(lambda: "talkdeskinstallations" in it.api.watched)
        other = asyncio.create_task(asyncio.Event().wait())
        it.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await it.task
        await until(lambda: it.api.watched == set())
        assert not other.done()
        other.cancel()
