"""The roles of the manifests allow what operator and webhook do, no more and no less, by the API server's audit log.

A life is played here in which each right is needed, so this can be run alone, and a right that nothing needs is found.
That no other test's life needs more is seen in each of them: whatever the API server refuses there must be in the
roles, and taken away by the test (`builders.platform`).
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from builders.checked import checked
from builders.crds import apply_crds
from builders.logout_endpoint import SECRET, logout_endpoint
from builders.platform import Platform, platform
from builders.rbac import (
    ACCOUNTS,
    AUDIT_POLICY,
    Right,
    audited,
    exercised,
    granted,
    observed_policies,
    refused,
)
from builders.serving import until
from builders.stack import APP, TENANT, Customer, Stacks
from builders.stack_manifests import STEPS, config_map, rights
from builders.stack_scim import with_scim
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS, ANNOTATION_RECONCILE, GROUP, VERSION
from talkdesk_crds.secret_hosts import host_of
from talkdesk_runtime.kube import JSON_PATCH, resource_path
from talkdesk_sandbox.controlplane import Audit, Cluster, ControlPlane, find_programs
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAMESPACE = "talkdesk-system"
OBJECTS = rights(NAMESPACE)
ROLES = granted(OBJECTS, accounts=ACCOUNTS)
PASSING = {"name": "passing", "onRemove": "Delete", "manifests": [config_map({}, "passing")]}
"""A step that leaves the template."""
REMOVED = Right("talkdesk-operator", "events.k8s.io", "events", "create")


@dataclass
class Played:
    """A platform on which everything has happened, and where the log of it is."""

    platform: Platform
    stacks: Stacks
    log: Path


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Path]]:
    """A control plane of its own, which writes down what ServiceAccounts do."""
    folder = tmp_path_factory.mktemp("audit")
    audit = Audit(folder / "policy.json", folder / "log")
    audit.policy.write_text(json.dumps(AUDIT_POLICY))
    with ControlPlane(find_programs(), audit=audit) as cluster:
        apply_crds(cluster)
        cluster.kubectl("create", "namespace", NAMESPACE)
        yield cluster, audit.log


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(plane: tuple[Cluster, Path]) -> AsyncIterator[Played]:
    cluster, log = plane
    async with platform(cluster, NAMESPACE, granted=observed_policies(OBJECTS), TALKDESK_TIMEOUT="2s") as programs:
        made = Played(programs, checked(programs), log)
        await live(made)
        yield made


async def live(played: Played) -> None:
    """Play a life in which each right is needed."""
    kubectl, watched = played.platform.kubectl, played.platform.watched
    await kubectl("create", "secret", "generic", "single-logout", f"--from-literal=key={SECRET}")
    ref = {"name": "single-logout", "key": "key"}
    async with logout_endpoint() as endpoint:
        await kubectl("annotate", "secret", "single-logout", f"{ANNOTATION_FOR_HOSTS}={host_of(endpoint.url)}")
        logout = {"url": endpoint.url, "secretRef": ref, "allowInsecure": True}
        history = {"revisionHistoryLimit": 0}
        made = with_scim(played.stacks, logout=logout, steps=[*STEPS, PASSING], templateRollout=history)
        async with made as (talkdesk, _):
            talkdesk.behave(updating_state="updating")
            acme = await talkdesk.install(users=2)
            await acme.becomes("Active")
            talkdesk.simulator.rotate(commands.Rotate(installation=acme.installation_id))
            await acme.until_acknowledged(acme.events("app.credentials_rotated")[-1].id)
            await talkdesk.delivered(talkdesk.simulator.logout(commands.Logout(installation=acme.installation_id)))
            assert endpoint.came
            await miss_an_update(acme)
            talkdesk.may_lose_objects.add(acme.account_id)
            await talkdesk.change_app(tenant={"steps": [*STEPS]}, templateRollout={"paused": True})
            await acme.request_reconcile()
            await talkdesk.change_app(templateRollout={"paused": False})
            await until(partial(is_gone, acme, "passing"), within=90)

            await be_overtaken(acme)
            await be_forgotten(await talkdesk.install())
            # At its end it writes what became of deliveries.
            await played.platform.programs["webhook"].terminate()
            await played.platform.start_webhook()

            await kubectl("delete", "tdapp", talkdesk.app, "--wait=false")
            await acme.uninstall()
            await acme.becomes("Uninstalled")
            await acme.delete()
            await acme.until_deleted()
            await acme.patch({"op": "add", "path": "/spec/purge", "value": {"requestedBy": "me"}}, kind=TENANT)
            await watched.until(APP, talkdesk.app, lambda obj: obj is None, "be gone")


async def is_gone(acme: Customer, config_map: str) -> bool:
    return await acme.live("ConfigMap", config_map) is None


async def be_forgotten(customer: Customer) -> None:
    """Let a customer leave of whom not even the record is kept."""
    await customer.becomes("Active")
    customer.stack.deleted_installations.add(customer.name)
    await customer.stack.change_app(at_once=True, retention={"keepFor": "0s", "historyTTL": "0s"})
    await customer.uninstall()
    await customer.until_deleted()
    await customer.stack.change_app(retention={"keepFor": "90d"})


async def be_overtaken(acme: Customer) -> None:
    """Let somebody else change the object while its status is being written."""
    hold = acme.stack.platform.gate.hold("PATCH", ".*/talkdeskinstallations/[^/]+/status", "before")
    await acme.stack.platform.kubectl("annotate", "tdi", acme.name, f"{ANNOTATION_RECONCILE}=overtaken", "--overwrite")
    await hold.reached()
    await acme.touch()
    hold.release()
    await acme.until(lambda obj: obj["status"].get("lastHandledReconcileAt") == "overtaken", "be reconciled")


async def miss_an_update(acme: Customer) -> None:
    """Let an update's event be lost, long after the last answer, and have it found."""
    path = resource_path(GROUP, VERSION, "talkdeskinstallations", acme.stack.namespace, acme.name)
    patch = [{"op": "replace", "path": "/status/answer/deliveryTime", "value": "2026-01-01T00:00:00Z"}]
    await acme.stack.platform.kube.request("PATCH", f"{path}/status", body=patch, content_type=JSON_PATCH)
    simulator = acme.stack.simulator
    await simulator.move(simulator.state.behavior.token_lifetime / 100)
    simulator.update(commands.Update(installation=acme.installation_id, plan="Gold", deliver=False))
    await acme.request_reconcile()
    await acme.until(lambda obj: obj["spec"]["request"]["type"] == "Update", "record the update")
    await acme.becomes("Active")


def unused(roles: set[Right], events: list[Any]) -> set[Right]:
    """Return the rights that nothing has needed."""
    used = exercised(events)
    return {right for right in roles if not any(right.covers(each) for each in used)}


async def test_the_roles_allow_what_the_programs_do_and_nothing_else(played: Played) -> None:
    events = audited(played.log)
    print(f"{len(events)} requests of {len(ROLES)} rights")  # noqa: T201
    assert (refused(events), unused(ROLES, events)) == (set(), set())


@pytest.mark.parametrize(
    "rule",
    [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["watch"]},
        {"apiGroups": [GROUP], "resources": ["talkdesktenants"], "verbs": ["update"]},
        {"apiGroups": [GROUP], "resources": ["talkdeskinstallations/approval"], "verbs": ["update"]},
        {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["another"], "verbs": ["impersonate"]},
    ],
    ids=["another verb", "another kind's verb", "a part of a spec", "another name"],
)
async def test_a_right_too_many_is_found(played: Played, rule: dict[str, Any]) -> None:
    objects = deepcopy(OBJECTS)
    next(each for each in objects if each["metadata"]["name"] == "talkdesk-operator" and "rules" in each)[
        "rules"
    ].append(rule)
    (wrong,) = granted(objects, accounts=ACCOUNTS) - ROLES
    assert wrong in unused(granted(objects, accounts=ACCOUNTS), audited(played.log))


@asynccontextmanager
async def without(played: Played, right: Right) -> AsyncIterator[None]:
    """Take a right away from its role, and give it back."""
    role = next(
        each
        for each in OBJECTS
        if "rules" in each and right in granted([each, *bindings_of(each)], accounts=frozenset({right.account}))
    )
    left = [rule for rule in role["rules"] if right.resource not in rule["resources"]]
    try:
        await played.platform.kubectl(
            "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(role | {"rules": left})
        )
        yield
    finally:
        await played.platform.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(role))


def bindings_of(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        each
        for each in OBJECTS
        if each.get("roleRef", {}).get("name") == role["metadata"]["name"] and each["roleRef"]["kind"] == role["kind"]
    ]


async def test_a_right_too_few_is_found(played: Played) -> None:
    seen = len(audited(played.log))
    async with without(played, REMOVED), played.stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await until(lambda: REMOVED in refused(audited(played.log)[seen:]), within=90)
        await acme.uninstall()
        await acme.becomes("Uninstalled")
