"""One check after the other, and cleaning up after each.

Belongs here: which checks run, what became of them, what they left behind. Does not belong here: showing it (`report`).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import httpx

from talkdesk_sandbox.conformance.check import Check
from talkdesk_sandbox.conformance.messages import Failed, Skipped
from talkdesk_sandbox.conformance.play import GONE, Play, Settings

__all__ = ["Outcome", "Result", "Run", "Unreachable"]


class Unreachable(Exception):
    """No connection to the service can be made."""


class Outcome(StrEnum):
    """What became of a check."""

    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    SKIP = "SKIP"


@dataclass(frozen=True)
class Result:
    """A check and what became of it."""

    check: Check
    outcome: Outcome
    reason: str = ""
    requests: tuple[dict[str, Any], ...] = ()
    """What shows a failure, without secrets."""
    left: tuple[str, ...] = ()
    """Tenants that could not be deleted."""


class Run:
    """Runs checks; they share nothing but the service."""

    def __init__(self, settings: Settings, checks: Sequence[Check]) -> None:
        self._settings = settings
        self._checks = checks
        self._failed: dict[str, str] = {}
        """Checks that failed, or were not run because of one that did; and which one that was."""

    async def results(self) -> AsyncIterator[Result]:
        """Yield the result of each check as soon as it is known. Raises Unreachable before the first one."""
        limits = httpx.Limits(max_keepalive_connections=0)  # each request a connection: none is cut by the one before
        verify = True if self._settings.tls is None else self._settings.tls
        async with httpx.AsyncClient(verify=verify, trust_env=False, limits=limits) as http:
            await self._reach(http)
            for check in self._checks:
                cause = next((self._failed[name] for name in check.needs if name in self._failed), None)
                if cause is not None:
                    self._failed[check.name] = cause
                    yield Result(check, Outcome.SKIP, f"it needs {cause}, which failed")
                    continue
                result = await self._one(http, check)
                if result.outcome is Outcome.FAIL:
                    self._failed[check.name] = check.name
                yield result

    async def _reach(self, http: httpx.AsyncClient) -> None:
        try:
            await http.get(self._settings.url, timeout=self._settings.timeout)
        except (httpx.ConnectError, httpx.ConnectTimeout) as problem:
            words = str(problem) or "no connection in time"
            raise Unreachable(f"{self._settings.url} can't be reached: {words}") from None
        except httpx.RequestError:
            pass  # it is there; the checks will tell more

    async def _one(self, http: httpx.AsyncClient, check: Check) -> Result:
        play = Play(http, self._settings, check.name)
        try:
            result = await self._played(play, check)
        finally:
            # Also when the person at the terminal has had enough.
            left = await asyncio.shield(self._clean(play))
        return replace(result, left=left)

    async def _played(self, play: Play, check: Check) -> Result:
        try:
            await check.play(play)
        except Skipped as skipped:
            return Result(check, Outcome.SKIP, str(skipped))
        except Failed as failure:
            shown = failure.exchanges or tuple(play.exchanges[-1:])
            return Result(check, Outcome.FAIL, str(failure), tuple(each.shown() for each in shown))
        return Result(check, Outcome.PASS)

    async def _clean(self, play: Play) -> tuple[str, ...]:
        """Delete the check's tenants; return those that may still be there."""
        return tuple([tenant for tenant in list(play.made) if not await _deleted(play, tenant)])


async def _deleted(play: Play, tenant: str) -> bool:
    try:
        return (await play.finish(play.delete(tenant))).status in GONE
    except Failed:
        return False
