"""Rights by field: whoever may patch an object of ours changes only the parts of it that are theirs.

All attempts are dry runs in somebody's name, against the policies of `manifests/base`.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pydantic.alias_generators import to_camel

from builders.kinds import KindsApi
from builders.objects import app_object, installation_object, request_object, tenant_object
from talkdesk_crds.app import AppStatus
from talkdesk_crds.installation import InstallationSpec
from talkdesk_crds.names import (
    ANNOTATION_CONFIRM_DELETION,
    ANNOTATION_EVENT_ID,
    ANNOTATION_EVENT_TIME,
    ANNOTATION_ORIGIN,
    ANNOTATION_RECEIVE_TIMES,
    APP_FINALIZER,
    FINALIZER,
    GROUP,
    LABEL_APP,
    LABEL_INSTALLATION,
    LABEL_MANAGED_BY,
    LABEL_SHARD_SLOT,
    MANAGED_BY,
    SECRET_TYPE,
    TENANT_FINALIZER,
    USERS_TYPE,
    VERSION,
    secret_name,
)
from talkdesk_crds.tenant import TenantSpec
from talkdesk_runtime.kube import MERGE_PATCH, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeAdmissionRefused, KubeForbidden
from talkdesk_sandbox.controlplane import Cluster, KubectlFailed

pytestmark = pytest.mark.case(83)

BASE: Final = Path(__file__).parents[2] / "manifests" / "base"
OPERATOR: Final = "system:serviceaccount:talkdesk-system:talkdesk-operator"
WEBHOOK: Final = "system:serviceaccount:talkdesk-system:talkdesk-webhook"
RENAMED: Final = "system:serviceaccount:elsewhere:prod-talkdesk-webhook"
"""The webhook's account where somebody gives another namespace, and all names a prefix, by kustomize."""
METADATA: Final[dict[str, Any]] = {
    "labels": {LABEL_APP: "sentiment", LABEL_SHARD_SLOT: "1"},
    "annotations": {ANNOTATION_RECEIVE_TIMES: "{}"},
    "finalizers": [FINALIZER],
}
"""What the webhook gives a new installation."""
PEOPLE: Final = (
    "app-editor",
    "app-releaser",
    "installation-approver",
    "installation-editor",
    "installation-importer",
    "tenant-editor",
    "tenant-purger",
    "tenant-releaser",
)

LATER: Final = "2026-03-01T12:00:01Z"
REGISTERS: Final = {
    "request": request_object() | {"eventTime": LATER, "eventId": "event-1"},
    "trial": {"state": "Started", "eventId": "t1", "eventTime": LATER},
    "credentials": {"secretName": "keys-2", "eventId": "e2", "eventTime": LATER},
    "accountName": "other",
    "endpoints": {"api": "https://api.example.com", "token": "https://acme.example.com/oauth/token"},
}
APPROVER: Final = "installation-approver"
APPROVAL: Final[dict[str, Any]] = {"approval": {"eventId": "event-1", "decision": "Approve", "decidedBy": APPROVER}}
OWNER: Final = {
    "metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "made-up"}]}
}
"""An owner that there isn't: the garbage collector would delete the object."""
INSTALLATION: Final[dict[str, dict[str, Any]]] = {
    **{f"registers: {name}": {"spec": {name: value}} for name, value in REGISTERS.items()},
    "approval": {"spec": APPROVAL},
    "paused": {"spec": {"paused": True}},
    "deletionpolicy": {"spec": {"deletionPolicy": "Delete"}},
    "finalizers": {"metadata": {"finalizers": None}},
    "finalizers: label": {"metadata": {"labels": {LABEL_SHARD_SLOT: "1"}}},
    "": {"metadata": {"annotations": {"a": "b"}}},
}
"""What can be changed in an installation, by the right that it needs; the last needs none."""
PLAN: Final = {
    "state": "Suspended",
    "installationRef": {"name": "other"},
    "objects": [],
    "uninstallTime": LATER,
}
PLANNED: Final[dict[str, Any]] = {"objects": [{"step": "base", "version": "v1", "kind": "ConfigMap", "name": "x"}]}
TENANT: Final[dict[str, dict[str, Any]]] = {
    **{f"plan: {name}": {"spec": {name: value}} for name, value in PLAN.items()},
    "plan: label": {"metadata": {"labels": {LABEL_SHARD_SLOT: "1"}}},
    "values": {"spec": {"values": {"a": 1}}},
    "revision": {"spec": {"revision": "sentiment-1"}},
    "deletionprotection": {"spec": {"deletionProtection": True}},
    "paused": {"spec": {"paused": True}},
    "finalizers": {"metadata": {"finalizers": None}},
    "": {"metadata": {"annotations": {"a": "b"}}},
}
MAY_CHANGE: Final[dict[str, tuple[set[str], set[str]]]] = {
    WEBHOOK: ({"registers"}, set()),
    OPERATOR: ({"registers", "finalizers", ""}, {"plan", "finalizers", ""}),
    "installation-approver": ({"approval", ""}, set()),
    "installation-editor": ({"paused", "deletionpolicy", ""}, set()),
    "installation-importer": ({"registers", ""}, set()),
    "tenant-editor": (set(), {"values", "revision", "deletionprotection", "paused", ""}),
    "tenant-purger": (set(), {"purge", ""}),
    "tenant-releaser": (set(), {"finalizers", ""}),
}
"""The rights of each, on installations and on tenants."""


@pytest.fixture(scope="module")
def base(crds: Cluster) -> Cluster:
    crds.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(BASE))
    return crds


@pytest.fixture
async def api(base: Cluster, namespace: str) -> AsyncIterator[KindsApi]:
    """A client of the administrator, in a namespace where everybody is bound to their role."""
    ours = [binding("webhook-app", WEBHOOK, RENAMED), binding("operator-app", OPERATOR)]
    bindings = [*ours, *(binding(person, person) for person in PEOPLE)]
    objects = {"apiVersion": "v1", "kind": "List", "items": bindings}
    base.kubectl("apply", "--namespace", namespace, "--filename=-", stdin=json.dumps(objects))
    async with await Kube.connect(user_agent="test", kubeconfig=base.kubeconfig) as kube:
        api = KindsApi(kube, namespace)
        await enforced(api)
        yield api


def binding(role: str, *users: str) -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": f"talkdesk-{role}"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user} for user in users],
    }


async def enforced(api: KindsApi) -> None:
    """Wait until the policies count, which is a moment after they were stored."""
    deadline = time.monotonic() + 30
    probe = mine(installation_object(approval=APPROVAL["approval"]), api)
    labeled = {"metadata": probe["metadata"] | METADATA | {"labels": {"a": "b"}}, "spec": installation_object()["spec"]}
    for body, wanted in (({}, "talkdeskinstallations/approval"), (labeled, "the webhook may only give")):
        while wanted not in await answer(api, "POST", probe, probe | body, WEBHOOK):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)


def mine(raw: dict[str, Any], api: KindsApi) -> dict[str, Any]:
    """Return the object as a client writes it; an installation as the webhook does."""
    metadata = {"name": raw["metadata"]["name"], "namespace": api.namespace}
    own = METADATA if raw["kind"] == "TalkdeskInstallation" else {"finalizers": raw["metadata"].get("finalizers", [])}
    return raw | {"metadata": metadata | own}


async def answer(api: KindsApi, method: str, raw: dict[str, Any], body: Any, user: str, path: str = "") -> str:
    """Return which right the API server says is missing; nothing when it would do it."""
    try:
        await api.attempt(method, raw, body, user, path)
    except (KubeForbidden, KubeAdmissionRefused) as error:
        words = str(error).replace(",", " ").split()
        return next((word for word in words if word.startswith("talkdesk") and "/" in word), str(error))
    return ""


async def wrongs(api: KindsApi, user: str, raw: dict[str, Any], changes: dict[str, Any], may: set[str]) -> list[str]:
    """Return the changes that are refused to somebody who has the right, or taken from somebody without it."""
    found = []
    for what, body in changes.items():
        right = what.partition(":")[0]
        said = await answer(api, "PATCH", raw, body, user)
        wanted = "" if right in may else f"{raw['kind'].lower()}s/{right}"
        if said != wanted:
            found.append(f"{user} {what}: {said or 'taken'}")
    return found


@pytest.mark.parametrize("user", [user for user, (may, _) in MAY_CHANGE.items() if may])
async def test_an_installation_is_changed_only_by_right_of_the_field(api: KindsApi, user: str) -> None:
    raw = installation_object()
    await api.create(raw, finalizers=[FINALIZER])
    # Of the metadata the webhook has no part at all: see below.
    changes = {what: body for what, body in INSTALLATION.items() if user != WEBHOOK or "spec" in body}
    assert await wrongs(api, user, raw, changes, MAY_CHANGE[user][0]) == []


@pytest.mark.parametrize("user", [user for user, (_, may) in MAY_CHANGE.items() if may])
async def test_a_tenant_is_changed_only_by_right_of_the_field(api: KindsApi, user: str) -> None:
    raw = tenant_object(**PLANNED)
    await api.create(raw, finalizers=[TENANT_FINALIZER])
    assert await wrongs(api, user, raw, TENANT, MAY_CHANGE[user][1]) == []


@pytest.mark.parametrize("user", [*MAY_CHANGE])
async def test_only_who_may_delete_an_object_gives_it_an_owner(api: KindsApi, user: str) -> None:
    installation, tenant = installation_object(), tenant_object()
    await asyncio.gather(api.create(installation), api.create(tenant))
    may, may_tenant = MAY_CHANGE[user]
    for raw, patches, deletes in (
        (installation, bool(may), user in {"installation-editor", OPERATOR}),
        (tenant, bool(may_tenant), user == OPERATOR),
    ):
        if patches:
            said = await answer(api, "PATCH", raw, OWNER, user)
            assert said == "" if deletes else "ownerReferences" in said


ENDED: Final = {"ending": {"reason": "Gone", "eventId": "event-1", "time": LATER}}
UPDATE: Final = {"request": request_object("Update")}
REFUSED_UPDATE: Final = {"ending": ENDED["ending"] | {"reason": "Rejected"}}
UNINSTALLED_LATER: Final[dict[str, Any]] = {"request": request_object("Uninstall", event="e2")}
"""The event of the uninstall came after the end that Talkdesk's state had shown."""
CREDENTIALS_OF_NOW: Final = {"secretName": "keys-2", "eventId": "e2", "eventTime": "2026-03-02T12:00:00.000001Z"}
CONFIRMED: Final = {"annotations": {ANNOTATION_CONFIRM_DELETION: "true"}}


@pytest.mark.case(44)
@pytest.mark.parametrize(
    ("spec", "status", "metadata", "deleted"),
    [
        ({}, {}, {}, False),
        ({}, {}, CONFIRMED, True),
        ({}, {}, {"annotations": {ANNOTATION_CONFIRM_DELETION: "no"}}, False),
        ({}, ENDED, {}, True),
        ({"request": request_object("Uninstall")}, {}, {}, False),
        ({"request": request_object("Uninstall")}, ENDED, {}, True),
        (UPDATE, ENDED, {}, True),
        (UPDATE, REFUSED_UPDATE, {}, False),
        (UPDATE | {"request": request_object("Update", event="e2")}, ENDED, {}, False),
        (UNINSTALLED_LATER, ENDED, {}, True),
        (UNINSTALLED_LATER | {"credentials": None}, ENDED, {}, True),
        (UNINSTALLED_LATER | {"credentials": CREDENTIALS_OF_NOW}, ENDED, {}, False),
        (UNINSTALLED_LATER, {"ending": ENDED["ending"] | {"reason": "TimedOut"}}, {}, False),
        ({"request": None}, {}, {}, True),
    ],
    ids=str,
)
async def test_an_installation_that_has_not_ended_is_deleted_only_by_a_word(
    api: KindsApi,
    spec: dict[str, Any],
    status: dict[str, Any],
    metadata: dict[str, Any],
    *,
    deleted: bool,
) -> None:
    raw = installation_object(**spec)
    raw["spec"] = {key: value for key, value in raw["spec"].items() if value is not None}
    await api.create(raw, **metadata)
    await api.patch(raw, {"status": status}, MERGE_PATCH, "/status")
    path = f"/apis/{GROUP}/v1alpha1/namespaces/{api.namespace}/talkdeskinstallations/{raw['metadata']['name']}"
    for user in ("installation-editor", OPERATOR):
        said = await answer(api, "DELETE", raw, None, user, path)
        assert ("has not ended" in said) != deleted, said


@pytest.mark.case(44)
@pytest.mark.parametrize(
    ("spec", "metadata", "said"),
    [
        ({}, {}, "in use"),
        ({}, CONFIRMED, ""),
        ({}, {"finalizers": []}, ""),
        ({"deletionProtection": True}, CONFIRMED, "deletionProtection"),
        ({"state": "Offboarded"}, {}, ""),
        ({"state": "Offboarded", "deletionProtection": True}, {}, "deletionProtection"),
    ],
    ids=str,
)
async def test_a_tenant_that_is_in_use_or_protected_is_not_deleted(
    api: KindsApi, spec: dict[str, Any], metadata: dict[str, Any], said: str
) -> None:
    raw = tenant_object(**spec)
    await api.create(raw, **({"finalizers": [TENANT_FINALIZER]} | metadata))
    path = f"/apis/{GROUP}/v1alpha1/namespaces/{api.namespace}/talkdesktenants/{raw['metadata']['name']}"
    answered = await answer(api, "DELETE", raw, None, OPERATOR, path)
    assert answered == "" if not said else said in answered, answered


@pytest.mark.case(90)
async def test_an_app_is_edited_by_its_editor_and_let_go_by_the_operator_or_a_releaser(api: KindsApi) -> None:
    raw = app_object()
    await api.create(raw, finalizers=[APP_FINALIZER])
    spec, bare = {"spec": {"paused": True}}, {"metadata": {"finalizers": None}}
    for user, edits in ((OPERATOR, False), ("app-releaser", False), ("app-editor", True)):
        said = await answer(api, "PATCH", raw, spec, user)
        assert (said == "") == edits, said
        assert await answer(api, "PATCH", raw, bare, user) == ""
        said = await answer(api, "PATCH", raw, OWNER, user)
        assert (said == "") == edits, said
    path = f"/apis/{GROUP}/v1alpha1/namespaces/{api.namespace}/talkdeskapps/sentiment"
    await api.request("DELETE", path)
    for user, lets_go in ((OPERATOR, True), ("app-releaser", True), ("app-editor", False)):
        said = await answer(api, "PATCH", raw, bare, user)
        assert (said == "") == lets_go, said
    await api.patch(raw, bare, MERGE_PATCH)


@pytest.mark.case(80)
async def test_the_operator_takes_a_decision_away_and_changes_none(api: KindsApi) -> None:
    raw = installation_object(**APPROVAL)
    # As from a backup: the administrator has the verb `restore`.
    made = await api.create(raw)
    erased = {"metadata": {"uid": made["metadata"]["uid"]}, "spec": {"approval": None}}
    assert await answer(api, "PATCH", raw, erased, OPERATOR) == ""
    other = {"spec": {"approval": APPROVAL["approval"] | {"decision": "Reject"}}}
    assert await answer(api, "PATCH", raw, other, OPERATOR) == "talkdeskinstallations/approval"
    assert await answer(api, "PATCH", raw, erased, WEBHOOK) == "talkdeskinstallations/approval"


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({}, True),
        ({"decidedBy": None}, False),
        ({"decidedBy": ""}, False),
        ({"decidedBy": "admin"}, False),
        ({"decidedBy": f"{APPROVER} "}, False),
        ({"decision": "Reject", "reason": "no contract"}, True),
    ],
    ids=str,
)
async def test_a_decision_is_taken_only_in_the_name_of_who_makes_it(
    api: KindsApi, change: dict[str, Any], *, taken: bool
) -> None:
    raw = installation_object()
    await api.create(raw)
    said = await answer(api, "PATCH", raw, {"spec": {"approval": APPROVAL["approval"] | change}}, APPROVER)
    assert (said == "") == taken
    assert taken or f"your user name, {APPROVER}, into spec.approval.decidedBy" in said


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({"metadata": {"annotations": {"a": "b"}}}, True),
        ({"spec": {"approval": {"decision": "Reject"}}}, False),
        ({"spec": {"approval": {"reason": "mine"}}}, False),
        ({"spec": {"approval": {"decision": "Reject", "decidedBy": APPROVER}}}, True),
        ({"spec": {"approval": None}}, True),
    ],
    ids=str,
)
async def test_anothers_decision_is_changed_only_in_ones_own_name(
    api: KindsApi, change: dict[str, Any], *, taken: bool
) -> None:
    raw = installation_object(approval=APPROVAL["approval"] | {"decidedBy": "ada@example.com"})
    await api.create(raw)
    assert (await answer(api, "PATCH", raw, change, APPROVER) == "") == taken


async def test_only_the_purger_asks_for_a_purge_and_the_operator_may_take_it_away(api: KindsApi) -> None:
    raw = tenant_object(state="Offboarded")
    await api.create(raw)
    asked = {"spec": {"purge": {"requestedBy": "me"}}}
    for user in ("tenant-editor", OPERATOR):
        assert await answer(api, "PATCH", raw, asked, user) == "talkdesktenants/purge"
    assert await answer(api, "PATCH", raw, asked, "tenant-purger") == ""
    wanted = tenant_object("purged", state="Offboarded", purge={"requestedBy": "me"})
    await api.create(wanted)
    assert await answer(api, "PATCH", wanted, {"spec": {"purge": None}}, "tenant-editor") == "talkdesktenants/purge"
    assert await answer(api, "PATCH", wanted, {"spec": {"purge": None}}, OPERATOR) == ""


@pytest.mark.parametrize(
    ("spec", "missing"),
    [
        ({}, ""),
        (APPROVAL, "talkdeskinstallations/approval"),
        ({"paused": True}, "talkdeskinstallations/paused"),
        ({"deletionPolicy": "Delete"}, "talkdeskinstallations/deletionpolicy"),
    ],
    ids=str,
)
@pytest.mark.parametrize("user", [WEBHOOK, "installation-importer"])
async def test_a_new_installation_brings_registers_and_nothing_else(
    api: KindsApi, user: str, spec: dict[str, Any], missing: str
) -> None:
    raw = mine(installation_object("sentiment-new", installationId="new", **spec), api)
    assert await answer(api, "POST", raw, raw, user) == missing


async def test_the_operator_makes_a_tenant_and_sets_nothing_that_is_a_persons(api: KindsApi) -> None:
    raw = mine(tenant_object("new", values={}, deletionProtection=False, paused=False), api)
    assert await answer(api, "POST", raw, raw, OPERATOR) == ""
    for spec in ({"values": {"a": 1}}, {"revision": "sentiment-1"}, {"deletionProtection": True}, {"paused": True}):
        (right,) = spec
        theirs = raw | {"spec": raw["spec"] | spec}
        assert await answer(api, "POST", raw, theirs, OPERATOR) == f"talkdesktenants/{right.lower()}"


TRACKED: Final = {"argocd.argoproj.io/tracking-id": "other:v1/ConfigMap:x/y"}
"""Has another controller take an object for its own, and delete it."""
FOREIGN: Final[dict[str, dict[str, Any]]] = {
    "a label": {"labels": {"app.kubernetes.io/instance": "other"}},
    "a label of ours": {"labels": {LABEL_INSTALLATION: "other"}},
    "an annotation": {"annotations": TRACKED},
    "an empty annotation": {"annotations": {"a": ""}},
    "an annotation of ours": {"annotations": {ANNOTATION_CONFIRM_DELETION: "true"}},
    "another finalizer": {"finalizers": [FINALIZER, "example.com/held"]},
    "an owner": OWNER["metadata"],
}
"""Metadata that an attacker in the webhook would like to write."""
LATE: Final[dict[str, dict[str, Any]]] = {
    "another app": {"labels": {LABEL_APP: "other"}},
    "no label": {"labels": {LABEL_APP: None}},
    "another slot": {"labels": {LABEL_SHARD_SLOT: "2"}},
    "no annotation of a person's": {"annotations": {"a-person": None}},
    "no finalizer": {"finalizers": None},
}
"""What it would like to change in one that exists."""


@pytest.mark.parametrize("user", [WEBHOOK, RENAMED])
@pytest.mark.parametrize("metadata", FOREIGN.values(), ids=FOREIGN)
async def test_the_webhook_makes_an_installation_with_its_own_metadata_alone(
    api: KindsApi, user: str, metadata: dict[str, Any]
) -> None:
    raw = mine(installation_object("sentiment-new", installationId="new"), api)
    assert await answer(api, "POST", raw, raw, user) == ""
    theirs = {key: merged(raw, key, value) for key, value in metadata.items()}
    said = await answer(api, "POST", raw, raw | {"metadata": raw["metadata"] | theirs}, user)
    # For owners there is also a right, which may be what is said.
    assert "the webhook may" in said or "the webhook makes" in said or "ownerReferences" in said, said


def merged(ours: dict[str, Any], key: str, value: Any) -> Any:
    return ours["metadata"].get(key, {}) | value if isinstance(value, dict) else value


@pytest.mark.parametrize("user", [WEBHOOK, RENAMED])
async def test_the_webhook_changes_nothing_of_an_installations_metadata_but_its_receipts(
    api: KindsApi, user: str
) -> None:
    raw = installation_object()
    await api.create(raw, **METADATA | {"annotations": {"a-person": "wrote this"}})
    for annotations in ({ANNOTATION_RECEIVE_TIMES: "{}"}, {ANNOTATION_RECEIVE_TIMES: None}):
        assert await answer(api, "PATCH", raw, {"metadata": {"annotations": annotations}}, user) == ""
    for what, metadata in (FOREIGN | LATE).items():
        said = await answer(api, "PATCH", raw, {"metadata": metadata}, user)
        # For finalizers, owners and the slot there are also rights, which may be what is said.
        assert said, what
        assert "the webhook" in said or "ownerReferences" in said or said.endswith("/finalizers"), (what, said)


NAME: Final = secret_name("sentiment-i1", ["made up"])
SECRET: Final[dict[str, Any]] = {
    "name": NAME,
    "labels": {LABEL_MANAGED_BY: MANAGED_BY, LABEL_APP: "sentiment", LABEL_INSTALLATION: "sentiment-i1"},
    "annotations": {ANNOTATION_EVENT_TIME: LATER, ANNOTATION_EVENT_ID: "e", ANNOTATION_ORIGIN: "Install"},
}
TOKEN: Final = {"type": "kubernetes.io/service-account-token"}
FOR_ACCOUNT: Final = SECRET | {"annotations": {"kubernetes.io/service-account.name": "tenant-provisioner"}}
NOT_ITS_SECRETS: Final[dict[str, dict[str, Any]]] = {
    "another type": {"type": "Opaque"},
    "an account's token": TOKEN | {"metadata": FOR_ACCOUNT},
    "an account's token that it may read": TOKEN | {"metadata": FOR_ACCOUNT | {"name": "single-logout"}},
    "not immutable": {"immutable": False},
    "of no installation": {"metadata": SECRET | {"labels": {LABEL_MANAGED_BY: MANAGED_BY}}},
    "another label": {"metadata": SECRET | {"labels": SECRET["labels"] | {"a": "b"}}},
    "another manager": {"metadata": SECRET | {"labels": SECRET["labels"] | {LABEL_MANAGED_BY: "Helm"}}},
    "another annotation": {"metadata": SECRET | {"annotations": TRACKED}},
    "an owner": {"metadata": SECRET | OWNER["metadata"]},
    "a finalizer": {"metadata": SECRET | {"finalizers": ["example.com/held"]}},
    "the one that it may read": {"metadata": SECRET | {"name": "single-logout"}},
    "another installation's name": {"metadata": SECRET | {"name": secret_name("other-i1", ["made up"])}},
}


@pytest.mark.parametrize("user", [WEBHOOK, RENAMED])
async def test_the_webhook_creates_only_immutable_secrets_of_an_installation(api: KindsApi, user: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": SECRET, "type": SECRET_TYPE, "immutable": True}
    path = f"/api/v1/namespaces/{api.namespace}/secrets"
    assert await answer(api, "POST", secret, secret, user, path) == ""
    longest = {"name": secret_name("a" * 63, ["x"]), "labels": SECRET["labels"] | {LABEL_INSTALLATION: "a" * 63}}
    assert await answer(api, "POST", secret, secret | {"metadata": SECRET | longest}, user, path) == ""
    for what, change in NOT_ITS_SECRETS.items():
        said = await answer(api, "POST", secret, secret | change, user, path)
        assert "the webhook" in said or "needs the label" in said, (what, said)


def credentials(**changes: Any) -> dict[str, Any]:
    metadata = {"name": "keys", "labels": {LABEL_INSTALLATION: "sentiment-i1"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": SECRET_TYPE} | changes


@pytest.mark.parametrize(
    ("user", "change", "missing"),
    [
        ("installation-importer", {}, ""),
        ("installation-approver", {}, "talkdeskinstallations/registers"),
        ("installation-approver", {"type": "Opaque"}, ""),
        ("installation-importer", {"metadata": {"name": "keys"}}, "needs the label"),
        (
            "installation-importer",
            {"metadata": {"name": "keys", "labels": {LABEL_INSTALLATION: ""}}},
            "needs the label",
        ),
    ],
    ids=str,
)
async def test_who_makes_credentials_has_the_right_to_decide_which_are_used(
    api: KindsApi, base: Cluster, user: str, change: dict[str, Any], missing: str
) -> None:
    anybody_may(base, api, "create")
    secret, path = credentials(**change), f"/api/v1/namespaces/{api.namespace}/secrets"
    said = await answer(api, "POST", secret, secret, user, path)
    assert missing in said if missing else not said, said


async def test_credentials_of_one_installation_cannot_be_made_anothers(api: KindsApi, base: Cluster) -> None:
    anybody_may(base, api, "patch")
    base.kubectl("apply", "--namespace", api.namespace, "--filename=-", stdin=json.dumps(credentials()))
    path = f"/api/v1/namespaces/{api.namespace}/secrets/keys"
    for labels, refused in (
        ({LABEL_INSTALLATION: "other"}, True),
        ({LABEL_INSTALLATION: None}, True),
        ({"a": "b"}, False),
    ):
        said = await answer(api, "PATCH", credentials(), {"metadata": {"labels": labels}}, "tenant-editor", path)
        assert ("can't be changed" in said) == refused, said


@pytest.mark.parametrize(("kind", "refused"), [(SECRET_TYPE, False), (USERS_TYPE, False), ("Opaque", True)])
async def test_the_operator_deletes_no_secrets_but_credentials_and_users(
    api: KindsApi, base: Cluster, kind: str, *, refused: bool
) -> None:
    anybody_may(base, api, "delete")
    secret = credentials(type=kind)
    base.kubectl("apply", "--namespace", api.namespace, "--filename=-", stdin=json.dumps(secret))
    path = f"/api/v1/namespaces/{api.namespace}/secrets/keys"
    said = await answer(api, "DELETE", secret, None, OPERATOR, path)
    assert ("may only delete Secrets" in said) == refused, said


def anybody_may(base: Cluster, api: KindsApi, verb: str) -> None:
    """Give everybody the right on Secrets that RBAC knows, so that only the policies decide."""
    base.kubectl("create", "role", "secrets", f"--verb={verb}", "--resource=secrets", "--namespace", api.namespace)
    users = [f"--user={user}" for user in (OPERATOR, WEBHOOK, *PEOPLE)]
    base.kubectl("create", "rolebinding", "secrets", "--role=secrets", *users, "--namespace", api.namespace)
    # A right counts a moment after it was stored.
    deadline = time.monotonic() + 30
    while not may(base, verb, "secrets", PEOPLE[-1], api.namespace):
        assert time.monotonic() < deadline


def may(base: Cluster, verb: str, resource: str, user: str, namespace: str) -> bool:
    try:
        base.kubectl("auth", "can-i", verb, resource, f"--as={user}", "--namespace", namespace)
    except KubectlFailed:
        return False
    return True


FIXED: Final = {"appRef", "installationId", "accountId"}


@pytest.mark.parametrize(("spec", "policy"), [(InstallationSpec, "installation"), (TenantSpec, "tenant")])
def test_every_field_is_fixed_or_has_its_right(spec: type[InstallationSpec | TenantSpec], policy: str) -> None:
    documents = [each for each in yaml.safe_load_all((BASE / "policies.yaml").read_text()) if each]
    (found,) = (
        each
        for each in documents
        if each["metadata"]["name"] == f"talkdesk-{policy}-rights" and each["kind"] == "ValidatingAdmissionPolicy"
    )
    rules = " ".join(each["expression"].replace(".?", ".") for each in found["spec"]["validations"])
    fields = {field.alias or name for name, field in spec.model_fields.items()} - FIXED
    assert {name for name in fields if f"object.spec.{name}" not in rules} == set()


@pytest.mark.case(85)
async def test_the_webhook_writes_of_an_apps_status_only_what_became_of_deliveries(api: KindsApi) -> None:
    raw = app_object("reported")
    await api.create(raw)
    path = f"{resource_path(GROUP, VERSION, 'talkdeskapps', api.namespace)}/reported/status"
    events = {"lastReceivedTime": "2026-03-01T12:00:00Z", "counts": [{"status": 403, "reason": "x", "count": 1}]}
    assert await answer(api, "PATCH", raw, {"status": {"events": events}}, WEBHOOK, path) == ""
    condition = {"type": "Ready", "status": "True", "reason": "Fine", "lastTransitionTime": "2026-03-01T12:00:00Z"}
    # A field that is added to the status needs a line in the policy.
    others = {
        "conditions": [condition],
        "observedGeneration": 7,
        "deletionPolicies": {"fingerprint": "x"},
        "currentRevision": "reported-1",
        "updatedRevision": "reported-1",
        "rollout": {"wave": ["reported-acc"]},
        "tenants": {"total": 1},
    }
    assert others.keys() | {"events"} == {to_camel(name) for name in AppStatus.model_fields}
    for member, value in others.items():
        said = await answer(api, "PATCH", raw, {"status": {member: value}}, WEBHOOK, path)
        assert "may only write status.events" in said, member
