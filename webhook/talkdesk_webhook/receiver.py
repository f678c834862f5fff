"""One event from the first byte of its request to the response, in the order that costs a forger most and us least.

Belongs here: the order, and the response to each failure. Does not belong here: HTTP beyond headers and body (app), the
steps themselves.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.datastructures import Headers
from starlette.types import Receive

from talkdesk_crds.app import Logout
from talkdesk_crds.events import EventError, UnknownEvent, UserLogout, parse_event
from talkdesk_runtime.clock import Clock, utc_now
from talkdesk_runtime.lookup_cache import LookupFailed
from talkdesk_webhook import body as bodies
from talkdesk_webhook.body import Bodies, BodyError, BodyLimits
from talkdesk_webhook.claims import claimed_account
from talkdesk_webhook.event_record import EventRecord, ForbiddenEvent, check_event, record_of
from talkdesk_webhook.inbox import InboxUnavailable, OtherAccount, Result
from talkdesk_webhook.key_budgets import Asker
from talkdesk_webhook.known_app import KnownApp
from talkdesk_webhook.log_limit import LogLimit
from talkdesk_webhook.relay import RelayFailed
from talkdesk_webhook.signature import (
    HEADER_KEY_ID,
    HEADER_SIGNATURE,
    SignatureError,
    SignatureFault,
    SignatureHeaders,
    verify,
)

__all__ = ["AppSource", "EventOutcome", "EventRefused", "EventRequest", "EventStore", "KeySource", "Receiver", "Relay"]

OTHER: Final = "other"
"""The label of all types of event that this version doesn't know: senders must not be able to make up labels."""
RETRY_AFTER: Final = timedelta(seconds=5)
"""Retry-After when nothing better is known."""

_log = structlog.stdlib.get_logger(__name__)


class AppSource(Protocol):
    """Where apps are found; raises LookupFailed."""

    async def get(self, namespace: str, name: str) -> KnownApp | None:
        """Return the app, or None when there is none."""


class KeySource(Protocol):
    """Where signing keys are found; raises LookupFailed."""

    def is_known(self, gateway: str, key_id: str) -> bool:
        """Return whether it is known what becomes of the id, without asking anybody."""

    async def get(self, gateway: str, key_id: str, asker: Asker) -> ec.EllipticCurvePublicKey | None:
        """Return the key, or None when there is none."""

    def verified(self, gateway: str, key_id: str, asker: Asker) -> None:
        """Take note of an event that the key has signed."""


class EventStore(Protocol):
    """Where events are stored; raises InboxError."""

    async def store(self, record: EventRecord) -> Result:
        """Store it durably."""


class Relay(Protocol):
    """What forwards logouts; raises RelayFailed."""

    async def relay(self, app: KnownApp, logout: Logout, event_id: str, body: bytes) -> None:
        """Forward the raw body; return when the app's own endpoint accepted it."""


@dataclass(frozen=True)
class EventRequest:
    """A request that delivers an event."""

    namespace: str
    app: str
    headers: Headers
    receive: Receive
    place: Callable[[], AbstractContextManager[None]] = nullcontext
    """Where the event is handled once it is here; raises EventRefused when there is none."""
    peer: str = ""
    """Address of the connection."""


@dataclass(frozen=True)
class EventOutcome:
    """What became of an event that is answered with 200."""

    event_type: str
    result: Result
    key_id: str | None = None
    """Of the key that signed it; None where signatures are not verified, or the type is not known."""


class EventRefused(Exception):
    """The request is answered with `status` (400 or more); `str()` and `reason` are fit for the response."""

    def __init__(self, status: int, reason: str, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


def _signature(headers: Headers) -> SignatureHeaders:
    return SignatureHeaders.read(headers.getlist(HEADER_SIGNATURE), headers.getlist(HEADER_KEY_ID))


def _unavailable(reason: str, message: str, retry_after: timedelta | None = None) -> EventRefused:
    return EventRefused(503, reason, message, retry_after or RETRY_AFTER)


class Receiver:
    """Handles events; keeps nothing between them."""

    def __init__(
        self,
        apps: AppSource,
        keys: KeySource,
        store: EventStore,
        relay: Relay,
        *,
        body_limits: BodyLimits,
        request_timeout: timedelta,
        now: Callable[[], datetime] = utc_now,
        found: Callable[[str, str], None] = lambda _namespace, _app: None,
    ) -> None:
        """Take the parts; `found` is told the namespace and name of each app that there is, before anything else."""
        self._apps = apps
        self._keys = keys
        self._store = store
        self._relay = relay
        self._body_limits = body_limits
        self._bodies = Bodies(body_limits)
        self._request_timeout = request_timeout.total_seconds()
        self._now = now
        self._found = found
        self._log_limit: LogLimit[str] = LogLimit(Clock.system().monotonic)

    async def receive(self, request: EventRequest) -> EventOutcome:
        """Handle one event; raise EventRefused.

        Returns only after a durable write, after the app's own endpoint accepted it, or when there is nothing to do.
        """
        try:
            async with asyncio.timeout(self._request_timeout):
                return await self._receive(request)
        except TimeoutError:
            raise _unavailable("timeout", "the event could not be handled in time") from None
        except BodyError as error:
            retry_after = RETRY_AFTER if error.status == 503 else None
            raise EventRefused(error.status, error.fault, str(error), retry_after) from None
        except SignatureError as error:
            raise EventRefused(401, error.fault, str(error)) from None
        except EventError as error:
            raise EventRefused(400, "not_an_event", str(error)) from None
        except ForbiddenEvent as error:
            raise EventRefused(403, error.reason, str(error)) from None

    async def _receive(self, request: EventRequest) -> EventOutcome:
        app = await self._app(request)
        # Before anything of the request is read or fetched.
        signed = _signature(request.headers) if app.verify_signatures else None
        body = await self._bodies.read(request.headers, request.receive)
        with request.place():
            return await self._handle(app, signed, body, request.peer)

    async def _handle(self, app: KnownApp, signed: SignatureHeaders | None, raw: bytes, peer: str) -> EventOutcome:
        if signed is not None:
            await self._verify(app, signed, raw, peer)
        body = bodies.unpacked(raw, self._body_limits)
        event = parse_event(bodies.decode(body), self._now())
        if isinstance(event, UnknownEvent):
            _log.info("event.type_unknown", type=event.type, namespace=app.namespace, app=app.name)
            return EventOutcome(OTHER, Result.IGNORED)
        head = event.head
        check_event(app, head)
        key_id = None if signed is None else self._proven(app, signed, Asker(peer, head.account_id))
        if isinstance(event, UserLogout):
            return EventOutcome(head.type, await self._forward(app, head.event_id, body), key_id)
        record = record_of(app, event)
        result = await self._store_record(record)
        log = _log.warning if result is Result.CONFLICT else _log.info
        log(
            "event.processed",
            type=head.type,
            result=result.value,
            namespace=record.namespace,
            installation=record.name,
            event_id=head.event_id,
        )
        return EventOutcome(head.type, result, key_id)

    async def _app(self, request: EventRequest) -> KnownApp:
        try:
            app = await self._apps.get(request.namespace, request.app)
        except LookupFailed as error:
            namespace, app_name = request.namespace, request.app
            # Strangers can cause this line, and the one for keys.
            if (more := self._log_limit.left_out("app")) is not None:
                _log.warning("app.unavailable", namespace=namespace, app=app_name, error=str(error), not_logged=more)
            raise _unavailable("app_unavailable", "the app can't be looked up now") from None
        if app is None:
            raise EventRefused(404, "app_unknown", "there is no such app")
        self._found(request.namespace, request.app)
        return app

    async def _verify(self, app: KnownApp, signed: SignatureHeaders, body: bytes, peer: str) -> None:
        gateway, asker = app.hosts.api_url, Asker(peer)
        if not self._keys.is_known(gateway, signed.key_id):
            asker = Asker(peer, claimed_account(app, bodies.unpacked(body, self._body_limits)))
        try:
            key = await self._keys.get(gateway, signed.key_id, asker)
        except LookupFailed as error:
            if (more := self._log_limit.left_out("signing_key")) is not None:
                _log.warning(
                    "signing_key.unavailable",
                    namespace=app.namespace,
                    app=app.name,
                    error=str(error),
                    not_logged=more,
                )
            raise _unavailable("key_unavailable", "the signing key can't be looked up now") from None
        if key is None:
            raise SignatureError(SignatureFault.UNKNOWN_KEY)
        verify(key, signed.signature, body)

    def _proven(self, app: KnownApp, signed: SignatureHeaders, asker: Asker) -> str:
        """Take note of an event that was verified; return the id of its key."""
        self._keys.verified(app.hosts.api_url, signed.key_id, asker)
        return signed.key_id

    async def _forward(self, app: KnownApp, event_id: str, body: bytes) -> Result:
        """Forward a logout. Nothing of it is logged: all of it is about a user."""
        if app.logout is None:
            return Result.IGNORED
        try:
            await self._relay.relay(app, app.logout, event_id, body)
        except RelayFailed as error:
            _log.warning("logout.not_forwarded", namespace=app.namespace, app=app.name, error=str(error))
            raise _unavailable(error.fault, "the logout can't be forwarded now", error.retry_after) from None
        return Result.RELAYED

    async def _store_record(self, record: EventRecord) -> Result:
        try:
            return await self._store.store(record)
        except InboxUnavailable as error:
            _log.warning("event.not_stored", namespace=record.namespace, installation=record.name, error=str(error))
            raise _unavailable("not_stored", "the event can't be stored now", error.retry_after) from None
        except OtherAccount as error:
            _log.warning("event.not_stored", namespace=record.namespace, installation=record.name, error=str(error))
            raise EventRefused(403, "foreign_account", str(error)) from None
