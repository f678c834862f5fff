"""The reference service of http steps in the test's own event loop, as it is or with a fault, and the checks of it."""

import asyncio
import importlib
import shutil
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from sqlalchemy import Engine, event
from typing_extensions import override

from talkdesk_runtime.standard_webhooks import WebhookSecrets
from talkdesk_sandbox import hook
from talkdesk_sandbox.conformance import CHECKS, Check, Result, Run, Settings
from talkdesk_sandbox.embedded import EmbeddedServer, bind, configure
from talkdesk_sandbox.hook.partner import Made, Partner
from talkdesk_sandbox.hook.records import Records

__all__ = ["KEYS", "NEXT_KEYS", "SlowPartner", "faulty", "results_of", "serving"]


@event.listens_for(Engine, "connect")
def _need_not_survive_a_power_cut(connection: Any, _: object) -> None:
    """Spare the disk: a tenth of the time."""
    connection.execute("PRAGMA synchronous = OFF")


KEYS: Final = WebhookSecrets.read("whsec_dGhlIGtleSBvZiB0aGUgc2VydmljZQ==")
_TLS: Final = ssl.create_default_context()
NEXT_KEYS: Final = WebhookSecrets.read("whsec_dGhlIG5leHQga2V5IG9mIHRoZSBzZXJ2aWNl")


class SlowPartner(Partner):
    """Takes its time for the tenants of some checks, so that requests meet."""

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self._seconds = seconds or {}

    @override
    def apply(self, tenant: str, wanted: Mapping[str, Any], had: Made | None) -> Made:
        for name, seconds in self._seconds.items():
            if name in tenant:
                time.sleep(seconds)
        return super().apply(tenant, wanted, had)


@contextmanager
def faulty(folder: Path, file: str, old: str, new: str) -> Iterator[ModuleType]:
    """Yield a copy of the reference service with one place changed."""
    name = f"hook_with_fault_{folder.name.replace('-', '_')}"
    shutil.copytree(Path(hook.__file__).parent, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    source = (folder / name / file).read_text(encoding="utf-8")
    assert source.count(old) == 1, f"{file} has {source.count(old)} of: {old}"
    (folder / name / file).write_text(source.replace(old, new), encoding="utf-8")
    for module in (folder / name).glob("*.py"):
        text = module.read_text(encoding="utf-8")
        module.write_text(text.replace("talkdesk_sandbox.hook", name), encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        for loaded in [each for each in sys.modules if each.partition(".")[0] == name]:
            del sys.modules[loaded]


@asynccontextmanager
async def serving(
    database: Path,
    *,
    package: ModuleType = hook,
    partner: Any = None,
    seconds: float | None = None,
    tls: Path | None = None,
) -> AsyncIterator[str]:
    """Yield the URL of a service; it ends with the block. `tls` is a folder with tls.crt and tls.key."""
    records: Records = importlib.import_module(f"{package.__name__}.records").Records(database)
    work = partner or package.Partner()
    service, told = package.Service(records, work, seconds=seconds), package.Notifications(records, work)
    application = package.application(service, told, KEYS.keys)
    pair = {"certificate": tls / "tls.crt", "key": tls / "tls.key"} if tls is not None else {}
    with bind("127.0.0.1", 0) as listener:
        server = EmbeddedServer(configure(application, **pair))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await server.listening(task)
        try:
            yield f"{'https' if pair else 'http'}://127.0.0.1:{listener.getsockname()[1]}/v1/tenants"
        finally:
            server.stop()
            await task
            records.close()


async def results_of(url: str, checks: Sequence[Check] = CHECKS, **settings: Any) -> list[Result]:
    """Return what the checks say about a service, impatiently."""
    impatient = {"timeout": 10.0, "operation_timeout": 1.5, "pause": 0.03, "huge": 2_000_000}
    known: dict[str, Any] = {"next_keys": NEXT_KEYS, "tls": _TLS}
    run = Run(Settings(url, KEYS, **(known | impatient | settings)), checks)
    return [result async for result in run.results()]
