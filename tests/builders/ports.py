"""The webhook's ports in memory: apps, signing keys and a store that return what a test sets."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from builders.events import APP_ID, Signer
from talkdesk_crds.app import Logout, SecretKeyRef
from talkdesk_crds.hosts import HostAllowList, Region
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.standard_webhooks import WebhookSecrets
from talkdesk_webhook.body import BodyLimits
from talkdesk_webhook.event_record import EventRecord
from talkdesk_webhook.inbox import Result
from talkdesk_webhook.key_budgets import Asker
from talkdesk_webhook.known_app import KnownApp
from talkdesk_webhook.receiver import Receiver, Relay


def known_app(
    name: str = "sentiment",
    *,
    verify_signatures: bool = True,
    region: Region = Region.US,
    logout: Logout | None = None,
) -> KnownApp:
    return KnownApp("team", name, APP_ID, verify_signatures, HostAllowList.for_region(region), logout)


def clock_of(monotonic: Callable[[], float]) -> Clock:
    """Return the machine's clock, but for the seconds of waits and ages."""
    system = Clock.system()
    return Clock(monotonic=monotonic, now=system.now, sleep=system.sleep)


def logout_to(url: str, *, timeout: str = "3s", allow_insecure: bool = False) -> Logout:
    ref = SecretKeyRef(name="single-logout", key="key")
    return Logout(url=url, secret_ref=ref, timeout=timeout, allow_insecure=allow_insecure)


class AppsInMemory:
    """One app; or an error."""

    def __init__(self, app: KnownApp | None = None) -> None:
        self.app = app or known_app()
        self.error: Exception | None = None

    async def get(self, namespace: str, name: str) -> KnownApp | None:
        if self.error is not None:
            raise self.error
        return self.app if (namespace, name) == (self.app.namespace, self.app.name) else None


class KeysInMemory:
    """The keys of a signer at the US gateway; or an error."""

    def __init__(self, signer: Signer) -> None:
        self._keys = {("https://api.talkdeskapp.com", signer.key_id): signer.private.public_key()}
        self.error: Exception | None = None
        self.asked: list[tuple[str, Asker]] = []
        self.proven: list[tuple[str, Asker]] = []

    def is_known(self, gateway: str, key_id: str) -> bool:
        return self.error is None and (gateway, key_id) in self._keys

    async def get(self, gateway: str, key_id: str, asker: Asker) -> ec.EllipticCurvePublicKey | None:
        self.asked.append((key_id, asker))
        if self.error is not None:
            raise self.error
        return self._keys.get((gateway, key_id))

    def verified(self, gateway: str, key_id: str, asker: Asker) -> None:
        assert (gateway, key_id) in self._keys
        self.proven.append((key_id, asker))


class StoreInMemory:
    """Stores; returns `result`, raises `error`, or waits until `open` is set."""

    def __init__(self) -> None:
        self.stored: list[EventRecord] = []
        self.result = Result.STORED
        self.error: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = 0

    async def store(self, record: EventRecord) -> Result:
        self.waiting += 1
        try:
            await self.open.wait()
        finally:
            self.waiting -= 1
        if self.error is not None:
            raise self.error
        self.stored.append(record)
        return self.result


class RelayInMemory:
    """Records what it forwarded; or raises `error`."""

    def __init__(self) -> None:
        self.forwarded: list[tuple[str, bytes]] = []
        self.error: Exception | None = None

    async def relay(self, app: KnownApp, logout: Logout, event_id: str, body: bytes) -> None:
        assert app.logout == logout
        if self.error is not None:
            raise self.error
        self.forwarded.append((event_id, body))


class RelayKeysInMemory:
    """One key for all; None is none; or an error."""

    def __init__(self, text: str | None) -> None:
        self.keys = None if text is None else WebhookSecrets.read(text)
        self.error: Exception | None = None

    async def get(self, namespace: str, ref: SecretKeyRef, url: str) -> WebhookSecrets | None:
        assert url
        assert (namespace, ref.name, ref.key) == ("team", "single-logout", "key")
        if self.error is not None:
            raise self.error
        return self.keys


def receiver(
    apps: AppsInMemory,
    keys: KeysInMemory,
    store: StoreInMemory,
    relay: Relay | None = None,
    *,
    size: int = 256 * 1024,
    body_timeout: timedelta = timedelta(seconds=3),
    request_timeout: timedelta = timedelta(seconds=5),
) -> Receiver:
    relay = relay or RelayInMemory()
    return Receiver(
        apps, keys, store, relay, body_limits=BodyLimits(size, body_timeout), request_timeout=request_timeout
    )
