"""The services of one tenant, during one reconcile: what is due is sent, and what came of it is on record.

Belongs here: the order of record, call and record. Does not belong here: what is due (`domain.hooks.machine`), requests
over the network (`adapters.hooks`), when a tenant is provisioned or deleted (`tenant`, `tenant_removal`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import orjson
import structlog

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.app_http import HttpStep, OnRefusal
from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import digest
from talkdesk_operator.domain.hooks.machine import Call, Settled, Wanted, begun, next_call, settled
from talkdesk_operator.domain.hooks.protocol import Act, InProgress, Later, Verdict, judge
from talkdesk_operator.domain.hooks.record import Existence, HookEntry, HookRecord, HookRecordStore, Result
from talkdesk_operator.domain.ports.hooks import HookPort, HookRequest, HookTarget
from talkdesk_operator.domain.reconcile.failure import Failure, FaultOwner, RetryClass
from talkdesk_operator.reconcilers.hooks.targets import ReadSecret, target_of
from talkdesk_operator.templates.http_call import RenderedHttp
from talkdesk_operator.templates.outputs import SECRETS
from talkdesk_runtime.durations import parse_duration
from talkdesk_runtime.lru import LruMap
from talkdesk_runtime.shorten import shorten

__all__ = ["HookParts", "TenantHooks"]

_CALLS: Final = 4
"""Of one step in one reconcile: what is left of a failure is deleted, and what was deleted is made anew."""
_MESSAGE: Final = 1000
_PAUSES: Final = 10_000
"""Services that asked for a pause; one that is forgotten is merely asked too early, once."""


@dataclass(frozen=True)
class HookParts:
    """What all tenants' services need."""

    read_secret: ReadSecret
    store: HookRecordStore
    port: HookPort
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    """Returns a text that nobody can guess, of letters and digits."""
    pauses: LruMap[tuple[str, str, str], tuple[datetime, str]] = field(default_factory=lambda: LruMap(_PAUSES))
    """By namespace, tenant and step: until when a service is not to be asked how far it is, and what it said last."""


@dataclass
class TenantHooks:
    """Made by `opened`."""

    parts: HookParts
    app: TalkdeskApp
    tenant: str
    record: HookRecord
    novel: bool
    """Whether the tenant is new, so that it is certain that no service has anything of it but what the record says."""
    again: bool = False
    """Whether what was refused is asked for once more."""
    wait: timedelta | None = None
    """How long a service asked not to be asked."""
    changed: bool = False
    """Whether outputs are others than when it was opened."""
    _log: Any = field(default_factory=lambda: structlog.get_logger("talkdesk_operator.hooks"))

    @classmethod
    async def opened(
        cls, parts: HookParts, app: TalkdeskApp, tenant: str, *, novel: bool, again: bool = False
    ) -> "TenantHooks":
        """Read the tenant's record. Raises KubeError."""
        known = await parts.store.load(app.metadata.namespace, tenant)
        return cls(parts, app, tenant, known or HookRecord(parts.new_id()), novel, again=again)

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """What services have answered, by the names of steps, as templates see it."""
        return {
            name: {**entry.outputs, SECRETS: dict(entry.secrets)}
            for name, entry in self.record.entries.items()
            if entry.exists is Existence.YES
        }

    @property
    def known(self) -> tuple[str, ...]:
        """The steps whose services may have something of the tenant."""
        return tuple(name for name, entry in self.record.entries.items() if entry.exists is not Existence.NO)

    async def put(
        self, step: str, http: RenderedHttp, *, on_offboard: str, on_remove: str | None, leaves: bool = False
    ) -> Failure | str:
        """Have the service have what is rendered; return what it waits for, empty where it is so. Raises KubeError.

        `leaves` where it is to keep what it has of a customer who has left.
        """
        url = f"{http.url}/{quote(self.tenant, safe='')}"
        kept = replace(self._entry(step), settings=http.settings.wire(), on_offboard=on_offboard, on_remove=on_remove)
        wanted = Wanted(digest(url, _json(http.body).decode(), length=32), leaves)
        before = self.outputs.get(step)
        outcome = await self._run(step, kept, wanted, _Asked(url, http))
        self.changed = self.changed or self.outputs.get(step) != before
        return outcome

    async def delete(self, step: str) -> Failure | str:
        """Have the service have nothing; return what it waits for, empty where nothing is left. Raises KubeError."""
        entry = self.record.entries.get(step)
        if entry is None:
            return ""
        outcome = await self._run(step, entry, Wanted(""), None) if entry.exists is not Existence.NO else ""
        if outcome == "":
            # Only the count stays, for a key never goes with another request.
            last = self._entry(step)
            await self._save(step, HookEntry(generation=last.generation, novel=last.novel))
        return outcome

    async def drop(self) -> None:
        """Delete the record. Raises KubeError."""
        if self.record.version:
            await self.parts.store.drop(self.app.metadata.namespace, self.tenant)

    async def _run(self, step: str, entry: HookEntry, wanted: Wanted, asked: "_Asked | None") -> Failure | str:
        """Send what is due, one request after the other. Raises KubeError; KubeConflict where somebody else sends."""
        settings = asked.http.settings if asked is not None else HttpStep.model_validate(entry.settings)
        limit = parse_duration(settings.polling_timeout)
        trouble: Failure | None = None
        if entry.polled_since is not None and (paused := self._paused(step)):
            return paused
        for _ in range(_CALLS):
            due = next_call(entry, wanted, again=self.again)
            if isinstance(due, Settled):
                await self._save(step, entry)
                return trouble or (self._trouble(step, entry, settings) if due.problem else "")
            if trouble is not None and due.act is not Act.DELETE:
                return trouble
            url = asked.url if asked is not None and due.act is not Act.DELETE else entry.url
            target = await self._target(step, settings, url, asked.http.headers if asked is not None else {})
            if isinstance(target, Failure):
                return trouble or target
            entry, verdict = await self._called(step, replace(entry, url=url), due, wanted, target, asked, limit)
            outcome = self._outcome(step, entry, verdict, settings)
            if outcome is None:
                continue
            if not (isinstance(outcome, Failure) and _has_orphan(entry)):
                return trouble or outcome
            trouble = trouble or outcome
        return trouble or _unavailable(step, "it changes its mind again and again", None)

    async def _called(
        self,
        step: str,
        before: HookEntry,
        due: Call,
        wanted: Wanted,
        target: HookTarget,
        asked: "_Asked | None",
        limit: timedelta,
    ) -> tuple[HookEntry, Verdict]:
        """Send one request, with what it may leave behind on record before, and what came of it afterwards.

        `limit` is for how long the service may be at something.
        """
        if (held := self.parts.port.held(target)) is not None:
            return before, Later(held.message, held.retry_after)
        entry = begun(before, due, wanted)
        await self._save(step, entry)
        answer = await self.parts.port.call(target, self._request(step, entry, due, asked))
        verdict = judge(entry.act or due.act, answer, polling=due.poll)
        entry = settled(before, entry, verdict, self.parts.now().replace(microsecond=0), limit=limit)
        await self._save(step, entry)
        self.again = False
        words = {"act": due.act, "poll": due.poll, "verdict": type(verdict).__name__}
        self._log.info("hook.called", tenant=self.tenant, step=step, **words)
        return entry, verdict

    def _outcome(self, step: str, entry: HookEntry, verdict: Verdict, settings: HttpStep) -> Failure | str | None:
        """Return what there is to be said; None where the next request is due."""
        if entry.result in {Result.FAILED, Result.REFUSED}:
            return self._trouble(step, entry, settings)
        match verdict:
            case InProgress(wait=wait, message=message):
                words = shorten(f"step {step}: the service is at it{': ' if message else ''}{message}", _MESSAGE)
                self.wait = wait
                if wait is not None:
                    self.parts.pauses.put(self._place(step), (self.parts.now() + wait, words))
                return words
            case Later(message=message, wait=wait):
                return _unavailable(step, message, wait)
            case _:
                return None

    def _request(self, step: str, entry: HookEntry, due: Call, asked: "_Asked | None") -> HookRequest:
        key = f"{self.record.id}_{step}_{entry.generation}"
        if due.poll:
            query = f"?operation={quote(entry.operation, safe='')}" if entry.operation else ""
            return HookRequest("GET", f"{entry.url}/last_operation{query}", key)
        if due.act is Act.DELETE or asked is None:
            content = {"tenant": {"id": self.tenant}, "state": "Deleted", "generation": entry.generation}
            return HookRequest("DELETE", entry.url, key, _json(content))
        numbered = {"generation": entry.generation} if asked.http.is_default else {}
        return HookRequest("PUT", entry.url, key, _json({**asked.http.body, **numbered}))

    def _place(self, step: str) -> tuple[str, str, str]:
        return self.app.metadata.namespace, self.tenant, step

    def _paused(self, step: str) -> str:
        """Return what a service said that asked for a pause which is not over; empty without one."""
        until, words = self.parts.pauses.get(self._place(step)) or (self.parts.now(), "")
        left = until - self.parts.now()
        if left <= timedelta():
            return ""
        self.wait = left
        return words

    def _entry(self, step: str) -> HookEntry:
        return self.record.entries.get(step) or HookEntry(novel=self.novel)

    async def _target(
        self, step: str, settings: HttpStep, url: str, headers: Mapping[str, str]
    ) -> HookTarget | Failure:
        metadata = self.app.metadata
        name = f"{metadata.namespace}/{metadata.name}/{step}"
        found = await target_of(self.parts.read_secret, metadata.namespace, name, settings, url, headers)
        return replace(found, message=f"step {step}: {found.message}") if isinstance(found, Failure) else found

    async def _save(self, step: str, entry: HookEntry) -> None:
        if self.record.entries.get(step) == entry:
            return
        changed = self.record.with_entry(step, entry)
        self.record = await self.parts.store.save(self.app.metadata.namespace, self.tenant, changed)

    def _trouble(self, step: str, entry: HookEntry, settings: HttpStep) -> Failure:
        if entry.result is not Result.REFUSED:
            words = shorten(f"step {step}: the service failed: {entry.message}", _MESSAGE)
            return Failure(Reason.HOOK_FAILED, words, RetryClass.SLOW)
        first = entry.act is Act.PROVISION and settings.on_refusal is OnRefusal.REJECT
        fault = FaultOwner.CUSTOMER if first else FaultOwner.OURS
        words = shorten(f"step {step}: the service refuses it: {entry.message}", _MESSAGE)
        return Failure(Reason.HOOK_REFUSED, words, RetryClass.SLOW, fault=fault)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the service is to have."""

    url: str
    """Of the tenant there."""
    http: RenderedHttp


def _has_orphan(entry: HookEntry) -> bool:
    """Return whether something is to be deleted first that nobody has confirmed."""
    return entry.act is Act.DELETE and entry.result is Result.FAILED and entry.exists is not Existence.NO


def _unavailable(step: str, message: str, wait: timedelta | None) -> Failure:
    words = shorten(f"step {step}: {message}", _MESSAGE)
    return Failure(Reason.HOOK_UNAVAILABLE, words, RetryClass.TRANSIENT, retry_after=wait)


def _json(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
