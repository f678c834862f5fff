"""Many customers in a minute: copies of one who has really installed, written straight into etcd.

All that etcd has of the one is copied under other ids of the same length, because some of it is in a binary form that
says how long each text is. The API server's watch brings the copies to everybody, as if they had been written by it.

Belongs here: copying. Does not belong here: what Talkdesk says of the copies (`any_talkdesk`).
"""

import base64
import json
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from benchmarks.customers import Install
from benchmarks.stage import APP, WORK, Stage
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import installation_name, tenant_name
from talkdesk_crds.shard_slots import shard_slot
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Role, Scope
from talkdesk_operator.domain.tenant.desired import inputs_digest
from talkdesk_operator.reconcilers.apps import compile_app

__all__ = ["Copies", "account_id", "account_name", "is_copyable"]

_PER_TRANSACTION: Final = 8
_SLOT: Final = re.compile(rb'(shard-slot(?:":"|\x12\x02))\d\d')
_FIRST: Final = 1_000_000
"""Number of the first copy: no id of the one who has installed looks like it."""


def account_id(number: int) -> str:
    """Return the account's id of a copy."""
    return f"{number:032x}"


def account_name(number: int) -> str:
    """Return the account's name of a copy, as long as `customer0`."""
    return f"c{number:08d}"


def is_copyable(install: Install) -> bool:
    """Return whether the slot has two digits: copies have another one of the same length."""
    return shard_slot(WORK, APP, install.account_id) >= 10


class _Etcd(HTTPConnection):
    """etcd's HTTP form of its API, at its socket."""

    def __init__(self, pid: int) -> None:
        line = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        (self._path,) = {each.partition("unix://")[2] for each in line if each.startswith("--listen-client-urls=")}
        super().__init__("etcd", timeout=60)

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)

    def ask(self, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.request("POST", f"/v3/kv/{what}", json.dumps(body))
        response = self.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        assert response.status == 200, answer
        return answer


@dataclass
class Copies:
    """Of one customer, whose account is called `customer` and a digit."""

    stage: Stage
    pilot: Install
    _pairs: list[tuple[bytes, bytes]] = field(init=False)
    _uids: list[bytes] = field(init=False)
    _app: CompiledApp = field(init=False)

    def __post_init__(self) -> None:
        """Read all that etcd has of the customer."""
        self._etcd = _Etcd(self.stage.plane.pids["etcd"])
        names = (installation_name(APP, self.pilot.installation_id), tenant_name(APP, self.pilot.account_id))
        found = self._etcd.ask("range", {"key": _coded(b"/registry/"), "range_end": _coded(b"/registry0")})["kvs"]
        pairs = [(base64.b64decode(each["key"]), base64.b64decode(each["value"])) for each in found]
        ids = (self.pilot.account_id.encode(), self.pilot.installation_id.encode())
        self._pairs = [(key, value) for key, value in pairs if any(each in key + value for each in ids)]
        own = {key.rpartition(b"/")[2].decode(): json.loads(value) for key, value in self._pairs if value[:1] == b"{"}
        installation, tenant = (own[name] for name in names)
        self._secret = str(installation["spec"]["credentials"]["secretName"])
        self._event = str(installation["spec"]["request"]["eventId"])
        inventory = [str(item["uid"]) for item in tenant["status"]["inventory"]]
        self._uids = [uid.encode() for uid in (installation["metadata"]["uid"], tenant["metadata"]["uid"], *inventory)]
        app = self.stage.get(f"talkdeskapp/{APP}", f"--namespace={WORK}")
        self._app = compile_app(TalkdeskApp.read(app), allow_insecure=True)

    def make(self, count: int) -> None:
        """Write so many copies."""
        puts: list[dict[str, Any]] = []
        for done, number in enumerate(self._numbers(count), start=1):
            puts += [{"request_put": {"key": _coded(key), "value": _coded(value)}} for key, value in self._copy(number)]
            if done % _PER_TRANSACTION == 0 or done == count:
                self._etcd.ask("txn", {"success": puts})
                puts = []

    def _numbers(self, count: int) -> Iterator[int]:
        number = _FIRST
        while count:
            number += 1
            if shard_slot(WORK, APP, account_id(number)) >= 10:
                count -= 1
                yield number

    def _copy(self, number: int) -> Iterator[tuple[bytes, bytes]]:
        slot = str(shard_slot(WORK, APP, account_id(number))).encode()
        changes = [
            (self.pilot.account_id.encode(), account_id(number).encode()),
            (self.pilot.installation_id.encode(), f"{number:08x}{self.pilot.installation_id[8:]}".encode()),
            (self.pilot.account.encode(), account_name(number).encode()),
            (self._secret.encode(), f"{self._secret[:-8]}{number:08x}".encode()),
            (self._event.encode(), f"{number:08x}{self._event[8:]}".encode()),
            *((uid, f"{number:08x}".encode() + uid[8:]) for uid in self._uids),
        ]
        made: dict[bytes, bytes] = {}
        for known_key, known in self._pairs:
            key, value = known_key, known
            for old, new in changes:
                key, value = key.replace(old, new), value.replace(old, new)
            made[key] = _SLOT.sub(rb"\g<1>" + slot, value)
        yield from self._with_digest(made).items()

    def _with_digest(self, made: dict[bytes, bytes]) -> dict[bytes, bytes]:
        """Let the tenant say that all that is known now has been applied."""
        installation = next(json.loads(value) for key, value in made.items() if b"/talkdeskinstallations/" in key)
        tenant_key = next(key for key in made if b"/talkdesktenants/" in key)
        tenant = json.loads(made[tenant_key])
        scope = Scope(
            now=datetime.now(UTC),
            app=self._app,
            installation=TalkdeskInstallation.read(installation),
            role=Role.OWNER,
            tenant=TalkdeskTenant.read(tenant),
        )
        tenant["status"]["appliedInputs"] = inputs_digest(scope, self._app)
        return made | {tenant_key: json.dumps(tenant, separators=(",", ":")).encode()}


def _coded(text: bytes) -> str:
    return base64.b64encode(text).decode()
