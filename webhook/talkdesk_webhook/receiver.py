"""One delivery from its first byte to its answer, in the order that costs a forger most and us least.

Belongs here: the order, and what each failure is answered with. Does not belong here: HTTP beyond headers and body
(app), the steps themselves.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.datastructures import Headers
from starlette.types import Receive

from talkdesk_crds.app import Logout
from talkdesk_crds.events import EventError, UnknownEvent, UserLogout, parse_event
from talkdesk_webhook import body as bodies
from talkdesk_webhook.apps import KnownApp
from talkdesk_webhook.body import BodyError, BodyLimits
from talkdesk_webhook.inbox import InboxUnavailable, OtherAccount, Result
from talkdesk_webhook.intake import ForbiddenEvent, Intake, check, intake
from talkdesk_webhook.lookups import LookupFailed
from talkdesk_webhook.relay import RelayFailed
from talkdesk_webhook.signature import (
    HEADER_KEY_ID,
    HEADER_SIGNATURE,
    SignatureError,
    SignatureFault,
    SignatureHeaders,
    verify,
)

__all__ = ["AppSource", "Delivery", "EventRefused", "KeySource", "Receipt", "Receiver", "Relay", "Store"]

OTHER: Final = "other"
"""The label of all types of event that this version doesn't know: senders must not be able to make up labels."""
RETRY_AFTER: Final = timedelta(seconds=5)
"""What a sender is told when nothing better is known."""

_log = structlog.stdlib.get_logger(__name__)


class AppSource(Protocol):
    """Where apps are found; raises LookupFailed."""

    async def get(self, namespace: str, name: str) -> KnownApp | None:
        """Return the app, or None when there is none."""


class KeySource(Protocol):
    """Where signing keys are found; raises LookupFailed."""

    async def get(self, gateway: str, key_id: str) -> ec.EllipticCurvePublicKey | None:
        """Return the key, or None when there is none."""


class Store(Protocol):
    """Where events are kept; raises InboxError."""

    async def store(self, intake: Intake) -> Result:
        """Store it durably."""


class Relay(Protocol):
    """What passes logouts on; raises RelayFailed."""

    async def relay(self, app: KnownApp, logout: Logout, event_id: str, body: bytes) -> None:
        """Pass the raw body on; returns when the app's own endpoint has taken it."""


@dataclass(frozen=True)
class Delivery:
    """A request as it came in."""

    namespace: str
    app: str
    headers: Headers
    receive: Receive


@dataclass(frozen=True)
class Receipt:
    """What became of a delivery that is answered with 200."""

    event_type: str
    result: Result


class EventRefused(Exception):
    """The delivery is answered with `status` (400 or more); `str()` and `reason` are fit for the answer."""

    def __init__(self, status: int, reason: str, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


def _unavailable(reason: str, message: str, retry_after: timedelta | None = None) -> EventRefused:
    return EventRefused(503, reason, message, retry_after or RETRY_AFTER)


class Receiver:
    """Takes deliveries; holds nothing between them."""

    def __init__(
        self,
        apps: AppSource,
        keys: KeySource,
        store: Store,
        relay: Relay,
        *,
        body_limits: BodyLimits,
        answer_within: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._apps = apps
        self._keys = keys
        self._store = store
        self._relay = relay
        self._body_limits = body_limits
        self._answer_within = answer_within.total_seconds()
        self._now = now

    async def receive(self, delivery: Delivery) -> Receipt:
        """Take one delivery. Raises Refused.

        Returns only after a durable write, after the app's own endpoint took it, or when there is nothing to do.
        """
        try:
            async with asyncio.timeout(self._answer_within):
                return await self._receive(delivery)
        except TimeoutError:
            raise _unavailable("timeout", "the event could not be taken in time") from None
        except BodyError as error:
            raise EventRefused(error.status, error.fault, str(error)) from None
        except SignatureError as error:
            raise EventRefused(401, error.fault, str(error)) from None
        except EventError as error:
            raise EventRefused(400, "not_an_event", str(error)) from None
        except ForbiddenEvent as error:
            raise EventRefused(403, error.reason, str(error)) from None

    async def _receive(self, delivery: Delivery) -> Receipt:
        app = await self._app(delivery)
        body = await bodies.read(delivery.headers, delivery.receive, self._body_limits)
        if app.verify_signatures:
            await self._verify(app, delivery.headers, body)
        event = parse_event(bodies.decode(body), self._now())
        if isinstance(event, UnknownEvent):
            _log.info("event of an unknown type", type=event.type, namespace=app.namespace, app=app.name)
            return Receipt(OTHER, Result.IGNORED)
        head = event.head
        check(app, head)
        if isinstance(event, UserLogout):
            return Receipt(head.type, await self._pass_on(app, head.event_id, body))
        wanted = intake(app, event)
        result = await self._keep(wanted)
        log = _log.warning if result is Result.CONFLICT else _log.info
        log(
            "event",
            type=head.type,
            result=result.value,
            namespace=wanted.namespace,
            installation=wanted.name,
            event_id=head.event_id,
        )
        return Receipt(head.type, result)

    async def _app(self, delivery: Delivery) -> KnownApp:
        try:
            app = await self._apps.get(delivery.namespace, delivery.app)
        except LookupFailed as error:
            _log.warning("no app", namespace=delivery.namespace, app=delivery.app, why=str(error))
            raise _unavailable("app_unavailable", "the app can't be looked up now") from None
        if app is None:
            raise EventRefused(404, "app_unknown", "there is no such app")
        return app

    async def _verify(self, app: KnownApp, headers: Headers, body: bytes) -> None:
        signed = SignatureHeaders.read(headers.getlist(HEADER_SIGNATURE), headers.getlist(HEADER_KEY_ID))
        try:
            key = await self._keys.get(app.hosts.api_url, signed.key_id)
        except LookupFailed as error:
            _log.warning("no signing key", namespace=app.namespace, app=app.name, why=str(error))
            raise _unavailable("key_unavailable", "the signing key can't be looked up now") from None
        if key is None:
            raise SignatureError(SignatureFault.UNKNOWN_KEY)
        verify(key, signed.signature, body)

    async def _pass_on(self, app: KnownApp, event_id: str, body: bytes) -> Result:
        """Relay a logout. Nothing of it is logged: all of it is about a user."""
        if app.logout is None:
            return Result.IGNORED
        try:
            await self._relay.relay(app, app.logout, event_id, body)
        except RelayFailed as error:
            _log.warning("logout not passed on", namespace=app.namespace, app=app.name, why=str(error))
            raise _unavailable(error.fault, "the logout can't be passed on now", error.retry_after) from None
        return Result.RELAYED

    async def _keep(self, wanted: Intake) -> Result:
        try:
            return await self._store.store(wanted)
        except InboxUnavailable as error:
            _log.warning("not stored", namespace=wanted.namespace, installation=wanted.name, why=str(error))
            raise _unavailable("not_stored", "the event can't be stored now", error.retry_after) from None
        except OtherAccount as error:
            _log.warning("not stored", namespace=wanted.namespace, installation=wanted.name, why=str(error))
            raise EventRefused(403, "foreign_account", str(error)) from None
