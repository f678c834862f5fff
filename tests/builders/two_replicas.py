"""Two replicas of the operator in a namespace, what each did by the audit log, and edits that keep them at work.

Each has a token of its own with the rights of the manifests.
"""

import asyncio
import itertools
import json
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builders.audit_log import Asked, AuditLog, Credential
from builders.raw_objects import installation
from builders.serving import until
from builders.shell_process import OPERATOR, ShellProcess, shell_process
from builders.stack_manifests import rights
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import FINALIZER, GROUP, VERSION
from talkdesk_crds.shard_slots import slot_label
from talkdesk_runtime.background import in_background
from talkdesk_runtime.kube import MERGE_PATCH, Kube, resource_path
from talkdesk_sandbox.controlplane import Cluster

__all__ = ["Replica", "Team", "make_team", "now"]

_PLURAL = TalkdeskInstallation.INFO.plural
_AT_ONCE = 16
_PAUSE = 0.05
_WITHIN = 120.0


@dataclass
class Team:
    """A namespace with the operator's account and rights; no app is there, so a reconcile costs no call to Talkdesk."""

    cluster: Cluster
    log: AuditLog
    namespace: str
    folder: Path
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @asynccontextmanager
    async def replica(
        self, *, server: str = "", program: Sequence[str] = OPERATOR, flags: Sequence[str] = ()
    ) -> AsyncIterator["Replica"]:
        """Start one, perhaps towards another address of the API server."""
        path = self.folder / f"{self.namespace}-{next(self.numbers)}"
        credential = await asyncio.to_thread(Credential.make, self.cluster, self.namespace, "talkdesk-operator", path)
        if server:
            config = json.loads(path.read_text())
            cluster = config["clusters"][0]["cluster"]
            config["clusters"][0]["cluster"] = (
                {**cluster, "server": server} if server.startswith("https") else {"server": server}
            )
            path.write_text(json.dumps(config))
        async with shell_process(path, self.namespace, *flags, program=program) as process:
            yield Replica(process, credential, self.log)

    @property
    def trust(self) -> ssl.SSLContext:
        """What trusts the API server and shows no certificate, which would count before a token."""
        config = json.loads(self.cluster.kubeconfig.read_text())
        authority = b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])
        context = ssl.create_default_context(cadata=authority.decode())
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Kube]:
        """Connect as administrator."""
        async with await Kube.connect(user_agent="test", kubeconfig=self.cluster.kubeconfig) as kube:
            yield kube

    async def install(self, kube: Kube, *names: str, account_name: str = "") -> None:
        """Make installations of these names as the webhook does, some at a time."""
        path, turns = resource_path(GROUP, VERSION, _PLURAL, self.namespace), asyncio.Semaphore(_AT_ONCE)

        async def make(name: str) -> None:
            raw = installation(f"sentiment-{name}", account=name, spec={"accountName": account_name or name})
            metadata = {
                "name": raw["metadata"]["name"],
                "finalizers": [FINALIZER],
                "labels": slot_label(self.namespace, "sentiment", name),
            }
            async with turns:
                await kube.request("POST", path, body={**raw, "metadata": metadata})

        await asyncio.gather(*map(make, names))

    async def edit(self, kube: Kube, name: str, account_name: str) -> int:
        """Change an installation; return its generation."""
        path = resource_path(GROUP, VERSION, _PLURAL, self.namespace, f"sentiment-{name}")
        body = {"spec": {"accountName": account_name}}
        edited = await kube.request("PATCH", path, body=body, content_type=MERGE_PATCH)
        return int(edited["metadata"]["generation"])

    @asynccontextmanager
    async def edits(self, kube: Kube, name: str) -> AsyncIterator[None]:
        """Change an installation again and again, each of which is a write for who leads."""

        async def forever() -> None:
            for number in itertools.count():
                await self.edit(kube, name, f"edit {number}")
                await asyncio.sleep(_PAUSE)

        async with in_background(forever(), "edits"):
            yield

    async def is_handled(self, kube: Kube, name: str, generation: int) -> bool:
        """Return whether a leader has written that it has seen this generation, or a later one."""
        path = resource_path(GROUP, VERSION, _PLURAL, self.namespace, f"sentiment-{name}")
        status: dict[str, Any] = (await kube.request("GET", path)).get("status", {})
        return int(status.get("observedGeneration", 0)) >= generation

    async def handled(self, kube: Kube, name: str, *, within: float) -> None:
        """Change an installation, and wait until a leader has done its part."""
        generation = await self.edit(kube, name, f"handled {next(self.numbers)}")
        await until(lambda: self.is_handled(kube, name, generation), within=within)


@dataclass(frozen=True)
class Replica:
    """A process, and what it asked of the API server."""

    process: ShellProcess
    credential: Credential
    log: AuditLog

    @property
    def asked(self) -> list[Asked]:
        return self.log.asked_by(self.credential)

    @property
    def writes(self) -> list[Asked]:
        return self.log.writes_of(self.credential)

    def listed_since(self, moment: datetime) -> list[str]:
        """Return the listings of our kinds that it asked for."""
        return [
            each.uri for each in self.asked if each.verb == "list" and f"/{GROUP}/" in each.uri and each.began > moment
        ]

    async def leads(self) -> None:
        """Wait until it has the Lease; one that a killed process left behind expires first."""
        await self.process.until(lambda: self.process.all("leader.acquired"), within=_WITHIN)

    async def stands_by(self) -> None:
        """Wait until its cache is warm."""

        async def is_warm() -> bool:
            return (await self.process.probe("/readyz")).text == "standby\n"

        await until(is_warm, within=_WITHIN)


def make_team(cluster: Cluster, log: AuditLog, namespace: str, folder: Path) -> Team:
    """Make the namespace, and give the operator its rights there."""
    cluster.kubectl("create", "namespace", namespace)
    objects = {"apiVersion": "v1", "kind": "List", "items": rights(namespace)}
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(objects))
    return Team(cluster, log, namespace, folder)


def now() -> datetime:
    return datetime.now(UTC)
