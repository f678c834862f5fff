"""The webhook's ports in memory: apps, signing keys and a store that do as they are told."""

import asyncio
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from builders.events import APP_ID, Signer
from talkdesk_crds.hosts import HostAllowList, Region
from talkdesk_webhook.apps import KnownApp
from talkdesk_webhook.body import BodyLimits
from talkdesk_webhook.inbox import Result
from talkdesk_webhook.intake import Intake
from talkdesk_webhook.receiver import Receiver


def known_app(*, verify_signatures: bool = True, region: Region = Region.US) -> KnownApp:
    return KnownApp("team", "sentiment", APP_ID, verify_signatures, HostAllowList.for_region(region))


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

    async def get(self, gateway: str, key_id: str) -> ec.EllipticCurvePublicKey | None:
        if self.error is not None:
            raise self.error
        return self._keys.get((gateway, key_id))


class StoreInMemory:
    """Remembers; answers with `result`, raises `error`, or waits until `open` is set."""

    def __init__(self) -> None:
        self.kept: list[Intake] = []
        self.result = Result.STORED
        self.error: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = 0

    async def store(self, intake: Intake) -> Result:
        self.waiting += 1
        try:
            await self.open.wait()
        finally:
            self.waiting -= 1
        if self.error is not None:
            raise self.error
        self.kept.append(intake)
        return self.result


def receiver(
    apps: AppsInMemory,
    keys: KeysInMemory,
    store: StoreInMemory,
    *,
    size: int = 256 * 1024,
    body_within: timedelta = timedelta(seconds=3),
    answer_within: timedelta = timedelta(seconds=5),
) -> Receiver:
    return Receiver(apps, keys, store, body_limits=BodyLimits(size, body_within), answer_within=answer_within)
