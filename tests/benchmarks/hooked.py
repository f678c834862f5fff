"""Installs whose template calls a service of the partner's, against the same installs without that call.

Belongs here: the second app, its service, and rounds of both by turns. Does not belong here: one run (`installs`).
"""

import json
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.customers import Customers
from benchmarks.figures import Figure, plain
from benchmarks.installs import Installed, Installs
from benchmarks.measuring import by_verb, wait_until
from benchmarks.sending import median, percentile
from benchmarks.stage import APP, WORK, Stage
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_sandbox.demo.programs import LOOPBACK

__all__ = ["Hooked"]

_HOOKED: Final = "hooked"
"""The app that calls the service."""
_APP_ID: Final = "f918e2623486417791f3b5a18ca746cf"
_TAKES: Final = 0.050
"""Seconds of the service for each request."""
_SERVICE: Final = Path(__file__).with_name("slow_service.py")
_RECORDS: Final = Path(__file__).parents[2] / "manifests" / "components" / "app-records" / "access.yaml"
_READY_WITHIN: Final = 60.0


class Hooked:
    """Measures what a call to a service costs installs."""

    def __init__(self, stage: Stage, customers: Customers) -> None:
        """`customers` are those of the app without the call."""
        self._stage = stage
        self.customersout = customers
        self.customers = Customers(stage, _APP_ID, app=_HOOKED)
        """Those of the app with the call."""

    def prepare(self, warm_up: int) -> None:
        """Start the service, and make the app that calls it, with a few customers."""
        with socket.socket() as free:
            free.bind((LOOPBACK, 0))
            port = free.getsockname()[1]
        self._stage.start_beside("service", [sys.executable, str(_SERVICE), str(port), str(_TAKES)], port, "/")
        objects = [*self._records(), *_objects(self._stage.get(f"talkdeskapp/{APP}", f"--namespace={WORK}"), port)]
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        self._stage.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(listed))
        wait_until(self._is_ready, f"the app {_HOOKED} Ready", _READY_WITHIN)
        Installs(self._stage, self.customers).run(self.customers.install(warm_up))

    def measure(self, rounds: int, burst: int) -> list[Figure]:
        """Rounds of both by turns: the machine's speed drifts."""
        calling, bare = list[Installed](), list[Installed]()
        for _ in range(rounds):
            for customers, runs in ((self.customersout, bare), (self.customers, calling)):
                runs.append(Installs(self._stage, customers).run(customers.install(burst)))
        name, ratios = f"hook of {_TAKES * 1000:.0f} ms", _ratios(calling, bare)
        waits = [latency for run in calling for latency in run.latencies]
        others = [latency for run in bare for latency in run.latencies]
        rates, plain_rates = [run.rate for run in calling], [run.rate for run in bare]
        return [
            plain(f"{name}: {rounds * burst} installs approved", median(rates), "/s", rates),
            plain(f"{name}: the same without it", median(plain_rates), "/s", plain_rates),
            plain(f"{name}: of the rate without it", median(ratios), "%", ratios),
            plain(f"{name}: p50 from event to answer", percentile(waits, 0.5), "s"),
            plain(f"{name}: p99 from event to answer", percentile(waits, 0.99), "s"),
            plain(f"{name}: p50 without it", percentile(others, 0.5), "s"),
            plain(f"{name}: p99 without it", percentile(others, 0.99), "s"),
            *_costs(name, calling, bare),
        ]

    def _is_ready(self) -> bool:
        status = self._stage.get(f"talkdeskapp/{_HOOKED}", f"--namespace={WORK}").get("status", {})
        return any((each["type"], each["status"]) == ("Ready", "True") for each in status.get("conditions", ()))

    def _records(self) -> list[dict[str, Any]]:
        """Return the right to keep what services have of tenants."""
        found = list(yaml.safe_load_all(_RECORDS.read_text()))
        return [each | {"metadata": each["metadata"] | {"namespace": WORK}} for each in found]


def _objects(app: dict[str, Any], port: int) -> list[dict[str, Any]]:
    """Return the signing key, and an app like another one that calls the service before its last step."""
    http = {
        "url": f"http://{LOOPBACK}:{port}/v1/tenants",
        "secretRef": {"name": "hook", "key": "key"},
        "allowInsecure": True,
    }
    key = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "hook", "namespace": WORK, "annotations": {ANNOTATION_FOR_HOSTS: f"{LOOPBACK}:{port}"}},
        "stringData": {"key": "made-up-key-of-the-benchmark"},
    }
    *steps, last = app["spec"]["tenant"]["steps"]
    tenant = app["spec"]["tenant"] | {"steps": [*steps, {"name": "service", "http": http}, last]}
    spec = app["spec"] | {"appId": _APP_ID, "tenant": tenant}
    head = {name: app[name] for name in ("apiVersion", "kind")}
    return [key, head | {"metadata": {"name": _HOOKED, "namespace": WORK}, "spec": spec}]


def _ratios(calling: Sequence[Installed], bare: Sequence[Installed]) -> list[float]:
    return [one.rate / other.rate * 100 for one, other in zip(calling, bare, strict=True)]


def _costs(name: str, calling: Sequence[Installed], bare: Sequence[Installed]) -> list[Figure]:
    """Return what a call takes in CPU beside its time."""

    def more(process: str) -> list[float]:
        pairs = zip(calling, bare, strict=True)
        return [(one.cpu[process] / one.count - other.cpu[process] / other.count) * 1000 for one, other in pairs]

    processes = ("operator", "kube-apiserver", "etcd")
    seen = Counter({key: count / calling[-1].count for key, count in calling[-1].seen.items()})
    seen.subtract({key: count / bare[-1].count for key, count in bare[-1].seen.items()})
    asked, verbs = by_verb(seen, 1)
    return [
        plain(f"{name}: more requests to the API server per install", asked, "", note=verbs),
        *(plain(f"{name}: more CPU per install: {each}", median(more(each)), "ms", more(each)) for each in processes),
    ]
