"""Drift of tenants' objects is noticed on a real API server: what somebody else did, soon, and nothing else."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from builders.objects import NOON
from builders.relay import Relay, relaying
from builders.restartable import restartable
from builders.serving import until
from talkdesk_crds.names import FIELD_MANAGER, LABEL_MANAGED_BY, LABEL_TENANT
from talkdesk_operator.adapters.kubernetes.drift import DriftWatches, WatchTimes
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.tenant.drift import Change, DriftDetector, Sighting, Target
from talkdesk_operator.domain.tenant.drift_ledger import DriftLedger
from talkdesk_operator.domain.tenant.managed_fields import Loss, fingerprint, own_entry
from talkdesk_operator.domain.tenant.marks import Mark
from talkdesk_operator.domain.tenant.missed_drift import missed_drift
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import APPLY, MERGE_PATCH, Kube
from talkdesk_runtime.kube_errors import KubeForbidden
from talkdesk_sandbox.controlplane import Cluster

TRANSIENT = 5.0
"""Seconds; it is far less than one on an idle machine."""
PACE = WatchTimes(first_delay=timedelta(milliseconds=50), longest_delay_refused=timedelta(milliseconds=200))
KINDS = {"ConfigMap": ("", "v1", "configmaps"), "Deployment": ("apps", "v1", "deployments")}

RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: %(name)s}
rules:
- {apiGroups: ["", apps], resources: [configmaps, deployments], verbs: [get, list, watch, create, patch, delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %(name)s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %(name)s}
subjects: [{kind: ServiceAccount, name: provisioner, namespace: %(name)s}]
"""


@dataclass
class Team:
    """An app, its namespace and its provisioner; the app is the namespace's namesake."""

    cluster: Cluster
    kube: Kube
    name: str
    watches: DriftWatches | None = None
    reported: list[tuple[str, str]] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    recorded: list[dict[str, Any]] = field(default_factory=list)
    missed: list[Sighting] = field(default_factory=list)
    audited: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def identity(self) -> str:
        return f"system:serviceaccount:{self.name}:provisioner"

    def target(self, kind: str) -> Target:
        group, version, _ = KINDS[kind]
        return Target(self.name, self.name, self.identity, group, version, kind)

    def notify(self, sighting: Sighting) -> None:
        self.sightings.append(sighting)
        if sighting.change is not Change.OTHER:
            self.reported.append(sighting.place)
            self.changed.set()

    async def audit(self, target: Target, listed: DriftDetector) -> None:
        """Compare the first listing with the tenants that the test has on record."""
        for tenant in self.recorded:
            self.missed += missed_drift(tenant, target, listed)
        self.audited.set()

    async def gets_reports_of(self, *tenants: str) -> None:
        """Wait for a report of the last of them; assert that these are all reports so far, and forget them."""
        async with asyncio.timeout(TRANSIENT):
            while (self.name, tenants[-1]) not in self.reported:
                self.changed.clear()
                await self.changed.wait()
        assert self.reported == [(self.name, tenant) for tenant in tenants]
        self.reported.clear()

    async def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return await asyncio.to_thread(self.cluster.kubectl, "-n", self.name, *arguments, stdin=stdin)

    async def apply(self, manifest: Mapping[str, Any], *, hook: bool = True, force: bool = False) -> dict[str, Any]:
        group, version, plural = KINDS[manifest["kind"]]
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        live = await self.kube.request(
            "PATCH",
            f"{root}/namespaces/{self.name}/{plural}/{manifest['metadata']['name']}",
            body=manifest,
            content_type=APPLY,
            query={"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"},
            as_user=self.identity,
        )
        if hook and self.watches is not None:
            self.watches.applied(self.identity, live)
        return live

    def config_map(self, tenant: str, name: str = "settings", **data: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self._metadata(f"{tenant}-{name}", tenant),
            "data": data or {"a": "1", "b": "2"},
        }

    def deployment(self, tenant: str) -> dict[str, Any]:
        pod = {
            "metadata": {"labels": {"app": tenant}},
            "spec": {"containers": [{"name": "app", "image": "example.com/app"}]},
        }
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": self._metadata(tenant, tenant),
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": tenant}}, "template": pod},
        }

    def _metadata(self, name: str, tenant: str) -> dict[str, Any]:
        labels = Mark(self.name, self.name, tenant, "uid-1", "acc1").labels
        return {"name": name, "namespace": self.name, "labels": labels}


@pytest.fixture
async def team(control_plane: Cluster, namespace: str) -> AsyncIterator[Team]:
    async with await Kube.connect(user_agent="test", kubeconfig=control_plane.kubeconfig) as kube:
        found = Team(control_plane, kube, namespace)
        await found.kubectl("create", "serviceaccount", "provisioner")
        yield found
        await found.kubectl("delete", "--ignore-not-found", "clusterrole,clusterrolebinding", namespace)


@pytest.fixture
async def allowed(team: Team) -> Team:
    await allow(team)
    return team


async def allow(team: Team) -> None:
    await team.kubectl("apply", "-f", "-", stdin=RIGHTS % {"name": team.name})


@asynccontextmanager
async def running(team: Team, kind: str, kube: Kube | None = None) -> AsyncIterator[DriftWatches]:
    """Run the watches of one kind until the end of the block."""
    kube = kube or team.kube
    rng = random.Random(1)  # noqa: S311 - spreads load only
    watches = DriftWatches(
        kube, Resources(kube), team.notify, audit=team.audit, clock=Clock.system(), rng=rng, times=PACE
    )
    watches.follow(frozenset({team.target(kind)}))
    task = asyncio.create_task(watches.run())
    team.watches = watches
    try:
        yield watches
    finally:
        team.watches = None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def watching(team: Team, kind: str, kube: Kube | None = None) -> AsyncIterator[None]:
    """Run the watches; the block begins when they see."""
    async with running(team, kind, kube):
        await sees(team, kind)
        yield


async def sees(team: Team, kind: str) -> None:
    """Wait until a change is noticed, by making one again and again; and then until all of these were."""
    async with asyncio.timeout(90):
        while not team.reported:
            with suppress(KubeForbidden):  # the API server learns of a granted right a moment later
                await come_and_go(team, kind, "probe")
    await come_and_go(team, kind, "end-of-probes")
    await until(lambda: team.reported[-1] == (team.name, "end-of-probes"))
    team.reported.clear()


async def come_and_go(team: Team, kind: str, tenant: str) -> None:
    manifest = team.deployment(tenant) if kind == "Deployment" else team.config_map(tenant)
    await team.apply(manifest)
    await team.kubectl("delete", kind.lower(), manifest["metadata"]["name"])


@pytest.mark.case(51)
async def test_an_object_deleted_by_hand_is_noticed(allowed: Team) -> None:
    await allowed.apply(allowed.config_map("one"))
    async with watching(allowed, "ConfigMap"):
        await allowed.kubectl("delete", "configmap", "one-settings")
        await allowed.gets_reports_of("one")


@pytest.mark.case(51)
@pytest.mark.parametrize(
    "patch",
    [
        ("--type=merge", {"data": {"a": "changed"}}),
        ("--type=json", [{"op": "remove", "path": "/data/a"}]),
        ("--type=json", [{"op": "remove", "path": "/data"}]),
        ("--type=merge", {"metadata": {"labels": {LABEL_TENANT: "somebody-elses"}}}),
        ("--type=merge", {"metadata": {"labels": {LABEL_MANAGED_BY: None}}}),
        ("--type=merge", {"metadata": {"managedFields": [{}]}}),
    ],
    ids=json.dumps,
)
async def test_a_change_by_hand_of_what_we_applied_is_noticed(allowed: Team, patch: tuple[str, Any]) -> None:
    kind, body = patch
    async with watching(allowed, "ConfigMap"):
        await allowed.apply(allowed.config_map("one"))
        await allowed.kubectl("patch", "configmap", "one-settings", kind, "--patch", json.dumps(body))
        await allowed.gets_reports_of("one")


@pytest.mark.case(51)
async def test_scaling_by_hand_is_noticed_where_the_template_sets_the_replicas(allowed: Team) -> None:
    async with watching(allowed, "Deployment"):
        await allowed.apply(allowed.deployment("one"))
        await allowed.kubectl("scale", "deployment/one", "--replicas=3")
        await allowed.gets_reports_of("one")


@pytest.mark.case(51)
async def test_a_change_right_after_our_apply_is_noticed_though_times_have_whole_seconds_only(allowed: Team) -> None:
    path = f"/api/v1/namespaces/{allowed.name}/configmaps/one-settings"
    async with watching(allowed, "ConfigMap"):
        for number in range(10):
            await allowed.apply(allowed.config_map("one", a=f"ours {number}"), force=True)
            change = {"data": {"a": f"another's {number}"}}
            await allowed.kube.request("PATCH", path, body=change, content_type=MERGE_PATCH)
            await allowed.gets_reports_of("one")


@pytest.mark.case(51)
@pytest.mark.parametrize("hook", [True, False], ids=["reported of applies", "unreported"])
async def test_our_own_applies_are_not_taken_for_drift(allowed: Team, hook: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async with watching(allowed, "ConfigMap"):
        for number in range(20):
            data = {f"key{n}": str(number) for n in range(1 + number // 10)}
            await allowed.apply(allowed.config_map("one", **data), hook=hook)
        await come_and_go(allowed, "ConfigMap", "last")
        await allowed.gets_reports_of("last")


@pytest.mark.case(51)
async def test_changes_by_controllers_are_not_taken_for_drift(allowed: Team) -> None:
    status = {"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}}
    async with watching(allowed, "Deployment"):
        await allowed.apply(allowed.deployment("one"))
        await allowed.kubectl(
            "patch", "deployment/one", "--subresource=status", "--type=merge", "--patch", json.dumps(status)
        )
        await allowed.kubectl("annotate", "deployment/one", "deployment.kubernetes.io/revision=1")
        await allowed.kubectl("label", "deployment/one", "somebodys/label=x")
        await come_and_go(allowed, "Deployment", "last")
        await allowed.gets_reports_of("last")


@pytest.mark.case(51)
async def test_drift_while_the_server_could_not_be_reached_is_noticed_afterwards(allowed: Team, tmp_path: Path) -> None:
    for tenant in ("changed", "deleted", "left"):
        await allowed.apply(allowed.config_map(tenant))
    async with (
        relaying(allowed.cluster.url) as relay,
        await through(relay, allowed, tmp_path) as kube,
        watching(allowed, "ConfigMap", kube),
    ):
        await relay.cut()
        await allowed.kubectl("delete", "configmap", "deleted-settings")
        await allowed.kubectl("patch", "configmap", "changed-settings", "--patch", '{"data": {"a": "x"}}')
        assert allowed.reported == []
        await relay.mend()
        await allowed.gets_reports_of("deleted", "changed")


def record(live: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ready tenant that has the object on record as our apply left it."""
    metadata = live["metadata"]
    planned = {"version": "v1", "kind": live["kind"], "namespace": metadata["namespace"], "name": metadata["name"]}
    fields = fingerprint(own_entry(metadata["managedFields"]))
    return {
        "metadata": {"name": metadata["name"]},
        "spec": {"state": "Active", "objects": [planned]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "inventory": [planned | {"uid": metadata["uid"], "appliedFields": fields}],
        },
    }


@pytest.mark.case(88)
async def test_drift_while_the_operator_was_down_is_found_in_the_first_listing_and_nothing_else(allowed: Team) -> None:
    names = ("left", "patched", "emptied", "deleted", "made-anew", "relabelled", "touched")
    allowed.recorded = [record(await allowed.apply(allowed.config_map(name))) for name in names]
    await allowed.kubectl("patch", "configmap", "patched-settings", "--patch", '{"data": {"a": "x"}}')
    await allowed.kubectl("patch", "configmap", "emptied-settings", "--patch", '{"data": {"a": null}}')
    await allowed.kubectl("delete", "configmap", "deleted-settings", "made-anew-settings")
    await allowed.apply(allowed.config_map("made-anew"))
    await allowed.kubectl("label", "configmap", "relabelled-settings", f"{LABEL_TENANT}-")
    await allowed.kubectl("annotate", "configmap", "touched-settings", "somebodys/note=x")
    async with running(allowed, "ConfigMap"):
        await asyncio.wait_for(allowed.audited.wait(), 30)
    assert {each.tenant: each.change for each in allowed.missed} == {
        "patched-settings": Change.DRIFTED,
        "emptied-settings": Change.DRIFTED,
        "deleted-settings": Change.DELETED,
        "made-anew-settings": Change.DELETED,
        "relabelled-settings": Change.DELETED,
    }


@pytest.mark.case(87)
async def test_a_fight_is_told_with_the_other_field_manager_and_the_field_and_is_slowed_down(allowed: Team) -> None:
    ledger, now = DriftLedger(), NOON
    async with watching(allowed, "ConfigMap"):
        for number in range(4):
            live = await allowed.apply(allowed.config_map("one", a="ours", b="ours"), force=True)
            ledger.applied(live)
            ledger.corrected(allowed.name, "one", ledger.begin())
            change = json.dumps({"data": {"a": f"theirs {number}"}})
            await allowed.kubectl("patch", "configmap", "one-settings", "--field-manager=rival", "--patch", change)
            await allowed.gets_reports_of("one")
            now = ledger.seen(allowed.sightings[-1], now)
    assert now >= NOON + timedelta(seconds=6)
    (dispute,) = ledger.disputes(allowed.name, "one", now)
    assert dispute.loss == Loss((".data.a",), ("rival",))
    assert dispute.where == f"{allowed.name}/one-settings"


async def test_a_change_of_an_objects_status_is_seen_by_who_waits_for_it(allowed: Team) -> None:
    ready = {"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}}
    async with watching(allowed, "Deployment"):
        await allowed.apply(allowed.deployment("one"))
        await allowed.kubectl(
            "patch", "deployment/one", "--subresource=status", "--type=merge", "--patch", json.dumps(ready)
        )
        await until(lambda: any(s.tenant == "one" and s.change is Change.OTHER for s in allowed.sightings))


async def through(relay: Relay, team: Team, folder: Path) -> Kube:
    config = json.loads(await team.kubectl("config", "view", "--minify", "--flatten", "--raw", "--output=json"))
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{relay.port}"
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return await Kube.connect(user_agent="test", kubeconfig=path)


@pytest.mark.case(51)
async def test_a_missing_right_to_watch_is_logged_once_and_drift_is_noticed_after_it_was_granted(team: Team) -> None:
    with structlog.testing.capture_logs() as logs:
        async with running(team, "ConfigMap"):
            await until(lambda: bool(logs))
            await allow(team)
            await sees(team, "ConfigMap")
    assert [(log["event"], log["log_level"]) for log in logs if log["log_level"] != "debug"] == [
        ("drift.not_watched", "info"),
        ("drift.watched_again", "info"),
    ]
    assert f'User "{team.identity}" cannot list resource "configmaps"' in logs[0]["error"]
    assert team.identity in logs[0]["hint"]


@pytest.mark.case(51)
async def test_a_restart_of_the_server_is_survived() -> None:
    with restartable() as server:
        await server.start()
        name = "team"
        server.cluster.kubectl("create", "namespace", name)
        server.cluster.kubectl("create", "serviceaccount", "provisioner", "-n", name)
        async with await Kube.connect(user_agent="test", kubeconfig=server.cluster.kubeconfig) as kube:
            team = Team(server.cluster, kube, name)
            await allow(team)
            await team.apply(team.config_map("one"))
            async with watching(team, "ConfigMap"):
                server.kill()
                await server.start()
                await team.kubectl("delete", "configmap", "one-settings")
                await team.gets_reports_of("one")
