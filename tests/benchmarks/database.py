"""How large etcd's database is, and what the objects of one customer take as JSON.

Belongs here: reading sizes. Does not belong here: what follows from them.
"""

import json
import socket
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, plain
from benchmarks.measuring import Samples, parse_metrics
from benchmarks.stage import WORK, Stage
from benchmarks.writes import PLURALS
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_runtime.kube import resource_path

__all__ = ["database", "json_sizes"]


def database(stage: Stage) -> tuple[float, float]:
    """Return the bytes of etcd's file, and those in use: what compaction has left of it."""
    sizes = {name: value for name, _, value in _etcd(stage.plane.pids["etcd"])}
    return sizes["etcd_mvcc_db_total_size_in_bytes"], sizes["etcd_mvcc_db_total_size_in_use_in_bytes"]


def _etcd(pid: int) -> Samples:
    """Read etcd's metrics at its socket, which its command line names."""
    line = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    (path,) = {each.partition("unix://")[2] for each in line if each.startswith("--listen-client-urls=")}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: etcd\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return parse_metrics(answer.partition(b"\r\n\r\n")[2].decode())


def json_sizes(stage: Stage) -> list[Figure]:
    """Return what the objects of a customer take: ours are stored so, all others in a shorter form."""
    installation, tenant = (_ours(stage, kind) for kind in ("installations", "tenants"))
    one = installation[0]
    secret = _raw(stage, resource_path("", "v1", "secrets", WORK, one["spec"]["credentials"]["secretName"]))
    made = [
        _raw(stage, resource_path(item.get("group", ""), item["version"], PLURALS[item["kind"]], *_place(item)))
        for item in tenant[0]["status"]["inventory"]
    ]
    return [
        _figure("a TalkdeskInstallation", sum(map(_size, installation)) / len(installation)),
        _figure("a TalkdeskTenant", sum(map(_size, tenant)) / len(tenant)),
        _figure("the Secret with its credentials", _size(secret)),
        _figure(f"the tenant's {len(made)} objects", sum(map(_size, made))),
    ]


def _ours(stage: Stage, what: str) -> list[dict[str, Any]]:
    path = resource_path(GROUP, VERSION, f"talkdesk{what}", WORK)
    items: list[dict[str, Any]] = _raw(stage, f"{path}?limit=200")["items"]
    return items


def _place(item: dict[str, str]) -> tuple[str, str]:
    return item.get("namespace", ""), item["name"]


def _raw(stage: Stage, path: str) -> dict[str, Any]:
    """Read an object with its managedFields, which kubectl hides otherwise."""
    found: dict[str, Any] = json.loads(stage.cluster.kubectl("get", "--raw", path))
    return found


def _size(document: dict[str, Any]) -> int:
    return len(json.dumps(document, separators=(",", ":")))


def _figure(what: str, size: float) -> Figure:
    return plain(f"as JSON: {what}", size / 1e3, "KB")
