"""Each method of the cluster port: its requests, what it returns, and which errors it takes for an answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeAlias

import pytest
from structlog.testing import capture_logs

from builders.api_server import ApiServer, Request
from builders.objects import (
    INSTALLATION,
    NOON,
    app_object,
    condition,
    installation_object,
    request_object,
    tenant_object,
)
from builders.operator_in_memory import (
    ACCOUNT,
    IDENTITY,
    SPACE,
    TENANT,
    credentials_secret,
    installed,
)
from talkdesk_crds.app import AppStatus, TalkdeskApp
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.fields import LocalRef, to_wire_time
from talkdesk_crds.installation import InstallationPhase, InstallationStatus, TalkdeskInstallation
from talkdesk_crds.installation import Request as CustomersRequest
from talkdesk_crds.names import (
    ANNOTATION_LAST_APPLIED,
    FINALIZER,
    LABEL_APP,
    LABEL_INSTALLATION,
    LABEL_MANAGED_BY,
    SECRET_TYPE,
    TENANT_FINALIZER,
    USERS_TYPE,
)
from talkdesk_crds.shard_slots import slot_label
from talkdesk_crds.tenant import TalkdeskTenant, TenantSpec, TenantState, TenantStatus
from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cache import Mislabeled
from talkdesk_operator.domain.ports.cluster import Cluster, ForeignSecret
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_runtime.kube import APPLY, JSON_PATCH, MERGE_PATCH
from talkdesk_runtime.kube_errors import (
    KubeAlreadyExists,
    KubeConflict,
    KubeError,
    KubeExpired,
    KubeForbidden,
    KubeInvalid,
    KubeNoPath,
    KubeNotFound,
    KubeOverloaded,
    KubeRefused,
    KubeUnreachable,
)

OURS = "/apis/appconnect.talkdesk.dev/v1alpha1/namespaces/team"
INSTALLATION_PATH = f"{OURS}/talkdeskinstallations/{INSTALLATION}"
TENANT_PATH = f"{OURS}/talkdesktenants/{TENANT}"
SECRETS = "/api/v1/namespaces/team/secrets"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
MANAGER = {"fieldManager": "talkdesk-operator"}
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
OWN = {"labelSelector": f"{LABEL_INSTALLATION}={INSTALLATION}", "fieldSelector": f"type={SECRET_TYPE}"}
LIST_SECRETS = Request("GET", SECRETS, accept=METADATA_ONLY, query=OWN)


def delete_secret(name: str) -> Request:
    return Request("DELETE", f"{SECRETS}/{name}", {"preconditions": {"uid": f"secrets-{name}-1"}})


EVENT = EventDraft(warning=False, reason="Active", message="it works", action="Active")
ENTRY = InventoryEntry("base", "", "v1", "ConfigMap", SPACE, "facts", uid="configmaps-facts-1")
MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "facts", "namespace": SPACE}}
SPEC = TenantSpec(app_ref=LocalRef(name="sentiment"), account_id=ACCOUNT, state=TenantState.ACTIVE, name=SPACE)
MISSED = CustomersRequest.model_validate(request_object("Update", event="found-1"))


@dataclass
class World:
    """The adapter over a cluster in which there is one of everything."""

    server: ApiServer = field(
        default_factory=lambda: ApiServer(
            app_object(),
            installed(),
            tenant_object(TENANT, accountId=ACCOUNT),
            credentials_secret(),
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}},
            {**MANIFEST, "data": {"a": "b"}},
        )
    )
    seen: list[dict[str, Any]] = field(default_factory=list)
    applied: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    writes: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        kube = self.server.kube
        self.cluster = KubernetesCluster(
            kube,
            Resources(kube),
            instance="operator-1",
            now=lambda: NOON,
            seen=self.seen.append,
            applied=lambda identity, live: self.applied.append((identity, live)),
            wrote=lambda kind, verb: self.writes.append((kind, verb)),
        )

    @property
    def installation(self) -> TalkdeskInstallation:
        return TalkdeskInstallation.read(self.server.get("TalkdeskInstallation", INSTALLATION))

    @property
    def tenant(self) -> TalkdeskTenant:
        return TalkdeskTenant.read(self.server.get("TalkdeskTenant", TENANT))

    @property
    def app(self) -> TalkdeskApp:
        return TalkdeskApp.read(self.server.get("TalkdeskApp", "sentiment"))

    @property
    def requests(self) -> list[Request]:
        return [each for each in self.server.requests if each.path != "/api/v1"]


@pytest.fixture
def world() -> World:
    return World()


# Credentials.


async def test_credentials_are_read_by_name_and_values_that_are_no_text_are_left_out(world: World) -> None:
    world.server.edit("Secret", "keys-1", {"data": {"binary": "//8=", "broken": "%", "client_secret": None}})
    found = await world.cluster.read_credentials(world.installation, "keys-1")
    assert world.requests == [Request("GET", f"{SECRETS}/keys-1")]
    assert isinstance(found, Mapping)
    assert sorted(found) == ["client_id", "key_algorithm", "key_id", "private_key"]
    assert found["client_id"].get_secret_value() == "client-1"
    assert "client-1" not in repr(found)


async def test_credentials_that_are_not_there_are_none_and_a_secret_may_be_empty(world: World) -> None:
    assert await world.cluster.read_credentials(world.installation, "other") is None
    world.server.put(credentials_secret("empty") | {"data": None})
    assert await world.cluster.read_credentials(world.installation, "empty") == {}


async def test_any_secret_of_the_namespace_can_hold_the_token_of_a_service(world: World) -> None:
    world.server.put({"kind": "Secret", "type": "Opaque", "metadata": {"name": "token"}, "data": {"token": "YQ=="}})
    found = await world.cluster.read_secret("team", "token")
    assert found is not None
    assert found.data["token"].get_secret_value() == "a"
    assert found.metadata["name"] == "token"
    assert await world.cluster.read_secret("team", "other") is None


def foreign(**labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": labels}}


FOREIGN: dict[str, dict[str, Any]] = {
    "a Secret of any type": {"type": "Opaque"},
    "a Secret without a type": {"type": None},
    "a token of a service account": {"type": "kubernetes.io/service-account-token"},
    "users of a tenant": {"type": USERS_TYPE},
    "credentials of another installation": foreign(**{LABEL_INSTALLATION: "sentiment-i2"}),
    "credentials of another app": foreign(**{LABEL_INSTALLATION: "quality-i1"}),
    "credentials of one whose name begins alike": foreign(**{LABEL_INSTALLATION: f"{INSTALLATION}0"}),
    "credentials whose name ours begins with": foreign(**{LABEL_INSTALLATION: INSTALLATION[:-1]}),
    "credentials without a label": {"metadata": {"labels": None}},
}
"""What makes a Secret another than this installation's, though its spec names it."""


@pytest.mark.case(43, 83)
@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
async def test_a_foreign_secret_is_neither_read_nor_deleted_though_the_spec_names_it(
    world: World, change: dict[str, Any]
) -> None:
    stored = world.server.edit("Secret", "keys-1", change)
    found = await world.cluster.read_credentials(world.installation, "keys-1")
    assert isinstance(found, ForeignSecret)
    assert await world.cluster.previous_credentials(world.installation) == ()
    await world.cluster.delete_credentials(world.installation)
    await world.cluster.delete_previous_credentials(world.installation, NOON)
    assert world.server.get("Secret", "keys-1") == stored
    assert world.writes == []


@pytest.mark.case(43)
async def test_a_secret_that_was_replaced_after_it_was_listed_is_not_deleted(world: World) -> None:
    def replace() -> None:
        world.server.remove("Secret", "keys-1")
        world.server.put(credentials_secret() | {"type": "Opaque"})

    world.server.journal.on("DELETE secrets/keys-1", replace)
    with pytest.raises(KubeConflict):
        await world.cluster.delete_credentials(world.installation)
    assert world.server.get("Secret", "keys-1")["type"] == "Opaque"


async def test_only_metadata_of_secrets_with_the_installations_label_is_listed(world: World) -> None:
    world.server.put(credentials_secret("keys-0", event_time=NOON - timedelta(days=1)))
    others = credentials_secret("keys-of-others")
    others["metadata"]["labels"][LABEL_INSTALLATION] = "other"
    world.server.put(others)
    assert await world.cluster.previous_credentials(world.installation) == ("keys-0",)
    assert world.requests == [LIST_SECRETS]
    assert world.writes == []


async def test_a_list_of_metadata_without_items_is_an_empty_list(world: World) -> None:
    world.server.remove("Secret", "keys-1")
    assert await world.cluster.previous_credentials(world.installation) == ()


async def test_all_credentials_of_an_ended_installation_are_deleted_by_uid(world: World) -> None:
    world.server.put(credentials_secret("keys-0", event_time=NOON - timedelta(days=1)))
    world.server.put(credentials_secret("keys-9", event_time=NOON + timedelta(days=1)))
    await world.cluster.delete_credentials(world.installation)
    assert world.requests == [LIST_SECRETS, *(delete_secret(f"keys-{n}") for n in (1, 0))]
    assert [each["metadata"]["name"] for each in world.server.all("Secret")] == ["keys-9"]
    assert world.writes == [("Secret", "delete")] * 2


async def test_replaced_credentials_are_deleted_and_the_present_ones_stay(world: World) -> None:
    world.server.put(credentials_secret("keys-0", event_time=NOON - timedelta(days=1)))
    await world.cluster.delete_previous_credentials(world.installation, NOON)
    assert world.requests == [LIST_SECRETS, delete_secret("keys-0")]


# Installations.


async def test_a_missed_request_is_written_to_exactly_this_installation(world: World) -> None:
    read = world.installation
    await world.cluster.record_missed_request(read, MISSED)
    test = {"op": "test", "path": "/metadata/uid", "value": f"uid-{INSTALLATION}"}
    add = {"op": "add", "path": "/spec/request", "value": request_object("Update", event="found-1")}
    version = {"op": "add", "path": "/metadata/resourceVersion", "value": read.metadata.resource_version}
    assert world.requests == [Request("PATCH", INSTALLATION_PATH, [test, version, add], JSON_PATCH, query=MANAGER)]
    assert world.seen == [world.server.get("TalkdeskInstallation", INSTALLATION)]


async def test_the_finalizer_is_put_beside_others_on_the_version_that_was_read(world: World) -> None:
    world.server.edit("TalkdeskInstallation", INSTALLATION, {"metadata": {"finalizers": ["other"]}})
    read = world.installation
    await world.cluster.add_finalizer(read)
    version = {"resourceVersion": read.metadata.resource_version}
    metadata = {"finalizers": ["other", FINALIZER], **version}
    assert world.requests == [Request("PATCH", INSTALLATION_PATH, {"metadata": metadata}, MERGE_PATCH, query=MANAGER)]
    with pytest.raises(KubeConflict):
        await world.cluster.add_finalizer(read)


async def test_only_our_own_finalizer_is_taken_off(world: World) -> None:
    world.server.edit("TalkdeskInstallation", INSTALLATION, {"metadata": {"finalizers": ["other", FINALIZER]}})
    await world.cluster.remove_finalizer(world.installation)
    assert world.installation.metadata.finalizers == ("other",)
    assert world.writes == [("TalkdeskInstallation", "patch")]


async def test_personal_data_is_erased_from_the_spec_and_the_request_stays(world: World) -> None:
    endpoints = {"api": "https://api.talkdeskapp.com", "token": "https://acme.talkdeskid.com/oauth/token"}
    request = request_object(reason="personal")
    world.server.edit("TalkdeskInstallation", INSTALLATION, {"spec": {"endpoints": endpoints, "request": request}})
    await world.cluster.erase(world.installation)
    spec = world.installation.spec
    assert (spec.account_name, spec.endpoints) == (None, None)
    assert spec.request is not None
    assert (spec.request.event_id, spec.request.reason) == ("event-1", None)


async def test_erasure_does_not_invent_a_request(world: World) -> None:
    world.server.edit("TalkdeskInstallation", INSTALLATION, {"spec": {"request": None}})
    await world.cluster.erase(world.installation)
    assert world.requests[-1].body["spec"] == {"accountName": None, "endpoints": None}
    assert world.installation.spec.request is None


@pytest.mark.parametrize("words", [{"reason": "personal"}, {"decidedBy": "ada@example.com"}, {}])
async def test_kubectls_copy_and_the_words_of_a_decision_are_erased_and_other_annotations_stay(
    world: World, words: dict[str, str]
) -> None:
    annotations = {ANNOTATION_LAST_APPLIED: "{}", "mine": "kept"}
    approval = {"eventId": "event-1", "decision": "Reject", **words}
    changes = {"metadata": {"annotations": annotations}, "spec": {"approval": approval}}
    world.server.edit("TalkdeskInstallation", INSTALLATION, changes)
    await world.cluster.erase(world.installation)
    assert world.installation.metadata.annotations == {"mine": "kept"}
    assert world.installation.spec.approval is None


async def test_a_status_is_replaced_as_a_whole_and_only_of_the_same_object(world: World) -> None:
    await world.cluster.write_installation_status(world.installation, InstallationStatus(talkdesk_state="old"))
    read = world.installation
    await world.cluster.write_installation_status(read, InstallationStatus(phase=InstallationPhase.ACTIVE))
    status = InstallationStatus(phase=InstallationPhase.ACTIVE).wire()
    test = {"op": "test", "path": "/metadata/uid", "value": read.metadata.uid}
    version = {"op": "add", "path": "/metadata/resourceVersion", "value": read.metadata.resource_version}
    body = [test, version, {"op": "add", "path": "/status", "value": status}]
    assert world.requests[-1] == Request("PATCH", f"{INSTALLATION_PATH}/status", body, JSON_PATCH, query=MANAGER)
    assert world.server.get("TalkdeskInstallation", INSTALLATION)["status"] == status
    assert world.writes == [("TalkdeskInstallation", "status")] * 2
    assert len(world.seen) == 2
    world.server.remove("TalkdeskInstallation", INSTALLATION)
    world.server.put(installed(meta={"uid": "of-another"}))
    with pytest.raises(KubeInvalid):
        await world.cluster.write_installation_status(read, InstallationStatus())


async def test_the_statuses_of_apps_and_tenants_are_written_the_same_way(world: World) -> None:
    await world.cluster.write_app_status(world.app, AppStatus(observed_generation=1))
    tenant = await world.cluster.write_tenant_status(world.tenant, TenantStatus(observed_generation=1))
    assert [each.path for each in world.requests] == [f"{OURS}/talkdeskapps/sentiment/status", f"{TENANT_PATH}/status"]
    assert tenant == world.tenant
    assert tenant.status.observed_generation == 1


@pytest.mark.case(81)
@pytest.mark.parametrize("write", ["installation", "tenant", "app"])
async def test_a_status_that_somebody_else_wrote_since_is_not_replaced_and_the_cache_sees_it(
    world: World, write: str
) -> None:
    writes: dict[str, tuple[str, str, Callable[[], Awaitable[object]]]] = {
        "installation": (
            "TalkdeskInstallation",
            INSTALLATION,
            partial(world.cluster.write_installation_status, world.installation, InstallationStatus()),
        ),
        "tenant": (
            "TalkdeskTenant",
            TENANT,
            partial(world.cluster.write_tenant_status, world.tenant, TenantStatus(observed_generation=1)),
        ),
        "app": (
            "TalkdeskApp",
            "sentiment",
            partial(world.cluster.write_app_status, world.app, AppStatus(observed_generation=1)),
        ),
    }
    kind, name, late = writes[write]
    world.server.edit(kind, name, {"status": {"observedGeneration": 7}})
    with pytest.raises(KubeConflict):
        await late()
    assert world.server.get(kind, name)["status"]["observedGeneration"] == 7
    assert world.seen[-1] == world.server.get(kind, name)


@pytest.mark.case(81)
async def test_a_status_is_written_although_an_event_or_an_annotation_came_meanwhile(world: World) -> None:
    read = world.installation
    world.server.edit("TalkdeskInstallation", INSTALLATION, {"metadata": {"annotations": {"mine": "new"}}})
    line = f"PATCH talkdeskinstallations/{INSTALLATION}/status"
    update = {"spec": {"request": request_object("Update", event="e2")}}
    world.server.journal.on(line, lambda: world.server.edit("TalkdeskInstallation", INSTALLATION, update))
    await world.cluster.write_installation_status(read, InstallationStatus(phase=InstallationPhase.ACTIVE))
    assert world.installation.status.phase is InstallationPhase.ACTIVE
    assert world.installation.spec.request is not None
    assert world.installation.spec.request.event_id == "e2"


@pytest.mark.case(81)
async def test_a_status_of_an_object_that_changes_all_the_time_is_given_up(world: World) -> None:
    world.server.journal.fail(".*/status", KubeConflict("changed"), count=99)
    with pytest.raises(KubeConflict):
        await world.cluster.write_installation_status(world.installation, InstallationStatus(talkdesk_state="x"))
    assert len(world.server.journal.writes) == 4


@pytest.mark.case(81)
async def test_a_status_in_another_form_since_is_not_replaced(world: World) -> None:
    read = world.installation
    world.server.put_unchecked(world.server.get("TalkdeskInstallation", INSTALLATION) | {"status": {"history": 7}})
    world.server.journal.fail(".*/status", KubeConflict("changed"))
    with pytest.raises(KubeConflict):
        await world.cluster.write_installation_status(read, InstallationStatus(talkdesk_state="x"))


@pytest.mark.case(81)
@pytest.mark.parametrize("write", ["erase", "record_missed_request", "add_finalizer", "change_tenant"])
async def test_a_write_of_an_older_version_is_refused_and_the_cache_sees_the_present_one(
    world: World, write: str
) -> None:
    installation, tenant = world.installation, world.tenant
    writes: dict[str, Callable[[], Awaitable[object]]] = {
        "erase": partial(world.cluster.erase, installation),
        "record_missed_request": partial(world.cluster.record_missed_request, installation, MISSED),
        "add_finalizer": partial(world.cluster.add_finalizer, installation),
        "change_tenant": partial(world.cluster.change_tenant, tenant, {"state": "Offboarded"}),
    }
    world.server.edit("TalkdeskInstallation", INSTALLATION, {"status": {"talkdeskState": "theirs"}})
    world.server.edit("TalkdeskTenant", TENANT, {"spec": {"paused": True}})
    with pytest.raises(KubeConflict):
        await writes[write]()
    kind, name = ("TalkdeskTenant", TENANT) if write == "change_tenant" else ("TalkdeskInstallation", INSTALLATION)
    assert world.seen == [world.server.get(kind, name)]


@pytest.mark.case(78)
@pytest.mark.parametrize("kind", ["TalkdeskApp", "TalkdeskInstallation", "TalkdeskTenant"])
async def test_an_object_that_cannot_be_read_says_so_and_keeps_the_rest(world: World, kind: str) -> None:
    name = {"TalkdeskApp": "sentiment", "TalkdeskInstallation": INSTALLATION, "TalkdeskTenant": TENANT}[kind]
    known = [condition(ConditionType.STALLED).wire(), condition(ConditionType.ANSWERED).wire()]
    world.server.edit(kind, name, {"status": {"observedGeneration": 7, "conditions": known}})
    await world.cluster.write_stalled((kind, "team", name), Reason.INVALID_SPEC, "x" * 5000)
    _, request = world.requests
    assert (request.method, request.content_type) == ("PATCH", MERGE_PATCH)
    assert request.path == f"{OURS}/{kind.lower()}s/{name}/status"
    status = world.server.get(kind, name)["status"]
    assert [(c["type"], c["status"], c["reason"]) for c in status["conditions"]] == [
        ("Stalled", "True", "InvalidSpec"),
        ("Answered", "True", "Succeeded"),
        ("Ready", "False", "InvalidSpec"),
        ("Reconciling", "False", "InvalidSpec"),
    ]
    assert {len(c.get("message", "")) for c in status["conditions"]} == {0, 1024}
    assert [c["lastTransitionTime"] for c in status["conditions"][:2]] == [c["lastTransitionTime"] for c in known]
    assert status["observedGeneration"] == 7
    assert world.seen[-1] == world.server.get(kind, name)


@pytest.mark.parametrize("status", [None, 7, {"conditions": 7}, {"conditions": [7, {"type": "Ready"}]}])
async def test_a_status_in_any_form_gets_the_report(world: World, status: object) -> None:
    world.server.put_unchecked(world.server.get("TalkdeskTenant", TENANT) | {"status": status})
    await world.cluster.write_stalled(("TalkdeskTenant", "team", TENANT), Reason.INVALID_SPEC, "why")
    conditions = world.server.get("TalkdeskTenant", TENANT)["status"]["conditions"]
    assert [c["type"] for c in conditions] == ["Ready", "Reconciling", "Stalled"]


# Tenants.


async def test_a_tenant_is_created_with_its_labels_and_shown_to_the_cache(world: World) -> None:
    tenant = await world.cluster.create_tenant("team", "new", SPEC)
    (request,) = world.requests
    assert (request.method, request.path, request.query) == ("POST", f"{OURS}/talkdesktenants", MANAGER)
    slot = slot_label("team", "sentiment", SPEC.account_id)
    labels = {LABEL_APP: "sentiment", LABEL_MANAGED_BY: "talkdesk-operator", **slot}
    assert request.body["metadata"] == {"name": "new", "labels": labels, "finalizers": [TENANT_FINALIZER]}
    assert request.body["spec"] == SPEC.wire()
    assert tenant == TalkdeskTenant.read(world.server.get("TalkdeskTenant", "new"))
    assert world.seen == [world.server.get("TalkdeskTenant", "new")]
    assert world.writes == [("TalkdeskTenant", "create")]


async def test_a_tenant_whose_creation_was_lost_is_read_instead_of_made_again(world: World) -> None:
    world.server.journal.fail("POST talkdesktenants", KubeUnreachable("cut"), "after")
    with pytest.raises(KubeUnreachable):
        await world.cluster.create_tenant("team", "new", SPEC)
    tenant = await world.cluster.create_tenant("team", "new", SPEC)
    assert world.server.journal.lines[-2:] == ["POST talkdesktenants", "GET talkdesktenants/new"]
    assert tenant == TalkdeskTenant.read(world.seen[-1])


async def test_a_change_of_a_tenant_leaves_what_it_does_not_name(world: World) -> None:
    world.server.edit("TalkdeskTenant", TENANT, {"spec": {"paused": True}})
    read = world.tenant
    tenant = await world.cluster.change_tenant(read, {"state": TenantState.SUSPENDED, "installationRef": None})
    version = {"resourceVersion": read.metadata.resource_version}
    body = {"metadata": version, "spec": {"state": "Suspended", "installationRef": None}}
    assert world.requests == [Request("PATCH", TENANT_PATH, body, MERGE_PATCH, query=MANAGER)]
    assert (tenant.spec.state, tenant.spec.installation_ref, tenant.spec.paused) == (TenantState.SUSPENDED, None, True)


async def test_a_tenant_and_an_app_are_read_past_the_cache_and_shown_to_it(world: World) -> None:
    tenant, app = world.tenant, world.app
    world.server.edit("TalkdeskTenant", TENANT, {"spec": {"paused": True}})
    fresh = await world.cluster.read_tenant(tenant)
    assert fresh is not None
    assert fresh.spec.paused
    assert await world.cluster.read_app(app) == app
    assert [each.method for each in world.requests] == ["GET", "GET"]
    assert [raw["metadata"]["name"] for raw in world.seen] == [TENANT, "sentiment"]


@pytest.mark.parametrize("change", ["gone", "another", "unreadable"])
async def test_what_is_not_the_very_same_object_any_more_is_read_as_none(world: World, change: str) -> None:
    tenant = world.tenant
    world.server.remove("TalkdeskTenant", TENANT)
    if change == "another":
        world.server.put(tenant_object(TENANT, meta={"uid": "of-another"}))
    if change == "unreadable":
        world.server.put_unchecked(tenant_object(TENANT, state="Unheard"))
    assert await world.cluster.read_tenant(tenant) is None


async def test_a_tenants_record_is_deleted_by_its_uid_and_version(world: World) -> None:
    read = world.tenant
    world.server.remove("TalkdeskTenant", TENANT)
    world.server.put(tenant_object(TENANT, meta={"uid": "of-another", "finalizers": []}))
    await world.cluster.delete_tenant(read)
    known = {"uid": read.metadata.uid, "resourceVersion": read.metadata.resource_version}
    assert world.requests[0] == Request("DELETE", TENANT_PATH, {"preconditions": known})
    assert world.tenant.metadata.uid == "of-another"
    await world.cluster.delete_tenant(world.tenant)
    assert world.server.find("TalkdeskTenant", TENANT) is None
    assert world.writes == [("TalkdeskTenant", "delete")] * 2


# Objects of tenants.


MADE_BY_HAND = {
    "metadata": {
        "uid": "u",
        "resourceVersion": "7",
        "managedFields": [{"manager": "kubectl-create", "operation": "Update", "fieldsV1": {"f:data": {"f:x": {}}}}],
    }
}


@pytest.mark.parametrize("force", [True, False])
async def test_an_object_is_applied_in_the_tenants_name_under_our_field_manager(world: World, *, force: bool) -> None:
    live = await world.cluster.apply(MANIFEST, IDENTITY, force=force)
    (request,) = world.requests
    path = f"/api/v1/namespaces/{SPACE}/configmaps/facts"
    query = MANAGER | {"force": "true" if force else "false"}
    assert request == Request("PATCH", path, MANIFEST, APPLY, query=query, as_user=IDENTITY)
    assert world.applied == [(IDENTITY, live)]
    assert world.writes == [("ConfigMap", "apply")]
    assert world.seen == []


@pytest.mark.parametrize("tried", [True, False])
async def test_only_a_deletion_that_is_no_dry_run_is_counted(world: World, *, tried: bool) -> None:
    await world.cluster.apply(MANIFEST, IDENTITY, force=True)
    made = world.server.get("ConfigMap", "facts", SPACE)["metadata"]
    item = replace(ENTRY, uid=made["uid"])
    await world.cluster.delete(item, IDENTITY, version=made["resourceVersion"], dry_run=tried)
    body = {
        "propagationPolicy": "Background",
        "preconditions": {"uid": made["uid"], "resourceVersion": made["resourceVersion"]},
    }
    assert world.requests[-1].body == (body | {"dryRun": ["All"]} if tried else body)
    assert dict(world.requests[-1].query) == {}
    assert (("ConfigMap", "delete") in world.writes) is not tried
    assert (world.server.find("ConfigMap", "facts", SPACE) is not None) is tried


async def test_objects_of_other_groups_and_of_the_cluster_are_applied_at_their_own_paths(world: World) -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reader"}}
    await world.cluster.apply(role, IDENTITY, force=False)
    assert world.requests[-1].path == "/apis/rbac.authorization.k8s.io/v1/clusterroles/reader"


async def test_keys_that_an_earlier_version_left_in_a_secret_are_taken_away(world: World) -> None:
    made_by_us = [{"manager": "talkdesk-operator", "operation": "Apply"}]
    place, old, new = {"name": "keys", "namespace": SPACE}, {"old": "MQ=="}, {"new": "Mg=="}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": place, "data": new}
    world.server.put(manifest | {"metadata": place | {"managedFields": made_by_us}, "data": old})
    live = await world.cluster.apply(manifest, IDENTITY, force=True)
    assert live["data"] == world.server.get("Secret", "keys", SPACE)["data"] == new
    assert [request.body["data"] for request in world.requests] == [new, old | new, new]
    assert world.applied == [(IDENTITY, live)]
    await world.cluster.apply(manifest, IDENTITY, force=True)
    assert len(world.requests) == 4


async def test_an_object_that_was_not_applied_is_not_reported_as_applied(world: World) -> None:
    world.server.forbid("ConfigMap", "PATCH")
    with pytest.raises(KubeForbidden):
        await world.cluster.apply(MANIFEST, IDENTITY, force=True)
    assert world.applied == []


async def test_an_object_is_looked_for_in_the_tenants_name(world: World) -> None:
    assert await world.cluster.find(ENTRY, IDENTITY) == world.server.get("ConfigMap", "facts", SPACE)
    path = f"/api/v1/namespaces/{SPACE}/configmaps/facts"
    assert world.requests == [Request("GET", path, accept=METADATA, as_user=IDENTITY)]


async def test_a_tenant_is_held_and_released_beside_the_finalizers_of_others(world: World) -> None:
    world.server.edit("TalkdeskTenant", TENANT, {"metadata": {"finalizers": ["example.com/hold"]}})
    held = await world.cluster.hold_tenant(world.tenant)
    assert held.metadata.finalizers == ("example.com/hold", TENANT_FINALIZER)
    released = await world.cluster.release_tenant(held)
    assert released is not None
    assert released.metadata.finalizers == ("example.com/hold",)
    with pytest.raises(KubeConflict):
        await world.cluster.release_tenant(held)


@pytest.mark.parametrize(("others", "left"), [((), False), (("example.com/hold",), True)])
async def test_a_deleted_tenant_goes_with_the_last_finalizer(
    world: World, others: tuple[str, ...], *, left: bool
) -> None:
    gone = {"deletionTimestamp": to_wire_time(NOON), "finalizers": [TENANT_FINALIZER, *others]}
    world.server.edit("TalkdeskTenant", TENANT, {"metadata": gone})
    assert (await world.cluster.release_tenant(world.tenant) is not None) is left


@pytest.mark.case(71)
async def test_a_tenant_that_somebody_changed_since_it_was_read_is_not_written_to(world: World) -> None:
    read = world.tenant
    world.server.edit("TalkdeskTenant", TENANT, {"spec": {"paused": True}})
    changed = world.server.get("TalkdeskTenant", TENANT)
    status = TenantStatus(observed_generation=9)
    with pytest.raises(KubeConflict):
        await world.cluster.change_tenant(read, {"state": TenantState.OFFBOARDED})
    with pytest.raises(KubeConflict):
        await world.cluster.write_tenant_status(read, status, unchanged=True)
    with pytest.raises(KubeConflict):
        await world.cluster.delete_tenant(read)
    assert world.server.get("TalkdeskTenant", TENANT) == changed
    assert (await world.cluster.write_tenant_status(world.tenant, status, unchanged=True)).status == status


async def test_a_tenant_is_read_anew_for_the_cache(world: World) -> None:
    assert await world.cluster.reread_tenant("team", TENANT) == world.tenant.metadata.uid
    assert world.seen == [world.server.get("TalkdeskTenant", TENANT)]
    assert await world.cluster.reread_tenant("team", "nobody") is None


@pytest.mark.case(71)
async def test_the_installations_of_an_account_are_read_anew_for_the_cache(world: World) -> None:
    odd = r"a,b=c\d"
    world.server.put(installation_object("odd", accountId=odd))
    world.server.put(installation_object("of-another-app", accountId=ACCOUNT, appRef={"name": "voice"}))
    found = await world.cluster.reread_installations(AccountKey("team", "sentiment", ACCOUNT))
    assert found is not None
    assert [each.metadata.name for each in found] == [INSTALLATION]
    assert [each["metadata"]["name"] for each in world.seen] == [INSTALLATION]
    assert world.requests[-1].query == {"fieldSelector": "spec.appRef.name=sentiment,spec.accountId=acc1"}
    await world.cluster.reread_installations(AccountKey("team", "sentiment", odd))
    assert world.requests[-1].query["fieldSelector"].endswith(r"spec.accountId=a\,b\=c\\d")


async def test_an_account_with_an_installation_that_cannot_be_read_is_not_known(world: World) -> None:
    raw = installation_object("new", accountId=ACCOUNT)
    raw["spec"]["request"] = "of a newer version"
    world.server.put_unchecked(raw)
    assert await world.cluster.reread_installations(AccountKey("team", "sentiment", ACCOUNT)) is None


async def test_an_existing_tenant_that_cannot_be_read_is_refused_in_words(world: World) -> None:
    raw = tenant_object("new")
    raw["spec"]["state"] = "of a newer version"
    world.server.put_unchecked(raw)
    with pytest.raises(KubeRefused, match="new"):
        await world.cluster.create_tenant("team", "new", SPEC)


async def test_an_object_is_deleted_by_its_uid_in_the_tenants_name(world: World) -> None:
    assert await world.cluster.delete(ENTRY, IDENTITY) is None
    body = {"propagationPolicy": "Background", "preconditions": {"uid": ENTRY.uid}}
    path = f"/api/v1/namespaces/{SPACE}/configmaps/facts"
    assert world.requests == [Request("DELETE", path, body, as_user=IDENTITY)]
    assert world.server.find("ConfigMap", "facts", SPACE) is None
    assert world.writes == [("ConfigMap", "delete")]


async def test_an_object_that_is_still_going_is_returned(world: World) -> None:
    world.server.edit("ConfigMap", "facts", {"metadata": {"finalizers": ["other"]}}, SPACE)
    live = await world.cluster.delete(ENTRY, IDENTITY)
    assert live is not None
    assert live["metadata"]["deletionTimestamp"] == to_wire_time(NOON)


async def test_an_object_of_the_same_name_made_since_by_somebody_else_stays(world: World) -> None:
    world.server.edit("ConfigMap", "facts", {"metadata": {"uid": "of-another"}}, SPACE)
    assert await world.cluster.delete(ENTRY, IDENTITY) is None
    assert world.server.find("ConfigMap", "facts", SPACE) is not None


@pytest.mark.case(89)
async def test_an_object_is_found_and_deleted_in_another_version_when_its_own_is_dropped(world: World) -> None:
    await world.cluster.find(ENTRY, IDENTITY)  # the path is known from here on
    world.server.served["/api/v2"] = world.server.served.pop("/api/v1")
    assert await world.cluster.find(ENTRY, IDENTITY) == world.server.get("ConfigMap", "facts", SPACE)
    assert await world.cluster.delete(ENTRY, IDENTITY) is None
    assert world.server.find("ConfigMap", "facts", SPACE) is None


@pytest.mark.case(89)
@pytest.mark.parametrize("known", [True, False])
async def test_an_object_is_gone_with_its_kind(world: World, *, known: bool) -> None:
    if known:
        await world.cluster.find(ENTRY, IDENTITY)
    del world.server.served["/api/v1"]
    assert await world.cluster.find(ENTRY, IDENTITY) is None
    assert await world.cluster.delete(ENTRY, IDENTITY) is None


@pytest.mark.case(89)
@pytest.mark.parametrize("line", ["GET /api/v1", "GET /api"])
async def test_an_object_is_not_gone_while_discovery_fails(world: World, line: str) -> None:
    del world.server.served["/api/v1"]
    world.server.journal.fail(line, KubeOverloaded("on purpose"), count=2)
    for call in (world.cluster.find, world.cluster.delete):
        with pytest.raises(KubeOverloaded):
            await call(ENTRY, IDENTITY)


@pytest.mark.case(89)
async def test_a_path_that_leads_nowhere_is_an_answer_once_discovery_has_confirmed_it(world: World) -> None:
    world.server.journal.fail("GET configmaps/.*", KubeNoPath("404 page not found"))
    found = await world.cluster.find(ENTRY, IDENTITY)
    assert found is not None
    assert world.server.journal.lines.count("GET /api/v1") == 2
    world.server.journal.fail("GET configmaps/.*", KubeNoPath("404 page not found"), count=2)
    assert await world.cluster.find(ENTRY, IDENTITY) is None


@pytest.mark.case(89)
async def test_a_kind_whose_crd_went_is_discovered_anew_at_the_next_apply(world: World) -> None:
    await world.cluster.apply(MANIFEST, IDENTITY, force=True)
    world.server.served["/api/v2"] = world.server.served.pop("/api/v1")
    with pytest.raises(KubeNoPath):
        await world.cluster.apply(MANIFEST, IDENTITY, force=True)
    with pytest.raises(KubeRefused, match="core/v2: write that as apiVersion"):
        await world.cluster.apply(MANIFEST, IDENTITY, force=True)


async def marked(world: World) -> list[str] | None:
    found = await world.cluster.list_marked(("", "v1", "ConfigMap"), "a=b", IDENTITY)
    return None if found is None else [each["metadata"]["name"] for each in found]


@pytest.mark.case(89)
@pytest.mark.parametrize("known", [True, False], ids=["known before", "after a start"])
async def test_what_bears_our_marks_is_found_in_whichever_version_is_served_now(world: World, *, known: bool) -> None:
    world.server.edit("ConfigMap", "facts", {"metadata": {"labels": {"a": "b"}}}, SPACE)
    assert not known or await marked(world) == ["facts"]
    world.server.served["/api/v2"] = world.server.served.pop("/api/v1")
    assert await marked(world) == ["facts"]
    world.server.served.clear()
    assert await marked(world) == []


@pytest.mark.case(89)
async def test_of_a_kind_that_cannot_be_listed_nobody_says_that_there_is_nothing(world: World) -> None:
    for refusal in (KubeForbidden("no right to list"), KubeRefused("405: the server does not allow this method")):
        world.server.journal.fail("LIST configmaps.*", refusal)
        assert await marked(world) is None


class Going:
    """What becomes of an object after its deletion was answered by a conflict."""

    def __init__(self, world: World) -> None:
        self.server = world.server

    def stays(self) -> None:
        pass

    def is_going(self) -> None:
        self.server.edit("ConfigMap", "facts", {"metadata": {"deletionTimestamp": NOW, "finalizers": ["other"]}}, SPACE)

    def is_gone(self) -> None:
        self.server.remove("ConfigMap", "facts", SPACE)

    def is_another(self) -> None:
        self.server.edit("ConfigMap", "facts", {"metadata": {"uid": "of-another"}}, SPACE)


NOW = to_wire_time(NOON)


@pytest.mark.parametrize("outcome", ["is_gone", "is_another"])
async def test_after_a_conflict_an_object_is_gone_only_if_it_is_not_there_any_more(world: World, outcome: str) -> None:
    world.server.journal.fail("DELETE configmaps/.*", KubeConflict("the object has been modified"))
    world.server.journal.on("GET configmaps/.*", getattr(Going(world), outcome))
    assert await world.cluster.delete(ENTRY, IDENTITY) is None


async def test_after_a_conflict_an_object_that_is_going_is_returned(world: World) -> None:
    world.server.journal.fail("DELETE configmaps/.*", KubeConflict("the system ensures that all content is removed"))
    world.server.journal.on("GET configmaps/.*", Going(world).is_going)
    live = await world.cluster.delete(ENTRY, IDENTITY)
    assert live is not None
    assert live["metadata"]["deletionTimestamp"]


async def test_a_conflict_stands_while_the_object_stays_or_cannot_be_read(world: World) -> None:
    world.server.journal.fail("DELETE configmaps/.*", KubeConflict("modified"), count=2)
    with pytest.raises(KubeConflict):
        await world.cluster.delete(ENTRY, IDENTITY)
    world.server.journal.fail("GET configmaps/.*", KubeForbidden("no right to get"))
    with pytest.raises(KubeConflict):
        await world.cluster.delete(ENTRY, IDENTITY)


def tombstone(seen: Mapping[str, Any]) -> object:
    return seen["metadata"].get("deletionTimestamp") and seen["metadata"]["uid"]


async def test_a_record_that_was_deleted_is_shown_as_gone(world: World) -> None:
    tenant = world.tenant
    await world.cluster.delete_tenant(tenant)
    assert [tombstone(each) for each in world.seen] == [tenant.metadata.uid]


async def test_a_record_that_finalizers_hold_is_shown_as_it_is(world: World) -> None:
    world.server.edit("TalkdeskTenant", TENANT, {"metadata": {"finalizers": ["other"]}})
    await world.cluster.delete_tenant(world.tenant)
    assert [each["metadata"]["finalizers"] for each in world.seen] == [["other"]]


async def test_a_write_to_an_object_that_is_gone_shows_it_as_gone(world: World) -> None:
    tenant = world.tenant
    world.server.remove("TalkdeskTenant", TENANT)
    with pytest.raises(KubeNotFound):
        await world.cluster.write_tenant_status(tenant, TenantStatus())
    assert [tombstone(each) for each in world.seen] == [tenant.metadata.uid]


async def test_a_path_of_ours_that_leads_nowhere_shows_nothing_and_ends_nothing(world: World) -> None:
    world.server.journal.fail(".* talkdesk(tenants|installations)/.*", KubeNoPath("404 page not found"), count=4)
    for attempt in (
        world.cluster.write_tenant_status(world.tenant, TenantStatus()),
        world.cluster.delete_tenant(world.tenant),
        world.cluster.release_tenant(world.tenant),
        world.cluster.remove_finalizer(world.installation),
    ):
        with pytest.raises(KubeNoPath):
            await attempt
    assert world.seen == []


# Events and errors.


async def test_an_event_is_posted_beside_its_object(world: World) -> None:
    await world.cluster.emit_event(world.installation, EVENT)
    (request,) = world.requests
    assert (request.method, request.path) == ("POST", "/apis/events.k8s.io/v1/namespaces/team/events")
    assert (request.body["reason"], request.body["reportingInstance"]) == ("Active", "operator-1")
    assert world.writes == [("Event", "create")]


async def test_an_event_about_a_namespace_is_posted_outside_of_it(world: World) -> None:
    await world.cluster.emit_namespace_event("team", EVENT)
    (request,) = world.requests
    assert request.path == "/apis/events.k8s.io/v1/namespaces/default/events"
    assert request.body["regarding"] == {"apiVersion": "v1", "kind": "Namespace", "name": "team"}


@pytest.mark.case(90)
async def test_a_namespace_that_is_being_deleted_is_told_by_a_dry_run_that_is_refused(world: World) -> None:
    world.server.put({"kind": "Namespace", "metadata": {"name": "team", "finalizers": ["kubernetes"]}})
    assert not await world.cluster.is_terminating("team")
    world.server.edit("Namespace", "team", {"metadata": {"deletionTimestamp": to_wire_time(NOON)}})
    assert await world.cluster.is_terminating("team")
    assert world.server.all("Event") == []
    assert world.writes == []
    world.server.journal.fail("DRY-RUN events/Probe", KubeForbidden("no right"))
    assert not await world.cluster.is_terminating("team")


Call: TypeAlias = Callable[[World], Awaitable[object]]
LABELLESS = Mislabeled("TalkdeskTenant", "team", TENANT, f"uid-{TENANT}", "1")
CALLS: dict[str, tuple[Call, tuple[type[KubeError], ...]]] = {
    "is_terminating": (
        lambda w: w.cluster.is_terminating("team"),
        (KubeForbidden,),
    ),
    "read_secret": (lambda w: w.cluster.read_secret("team", "keys-1"), (KubeNotFound,)),
    "read_credentials": (lambda w: w.cluster.read_credentials(w.installation, "keys-1"), (KubeNotFound,)),
    "previous_credentials": (lambda w: w.cluster.previous_credentials(w.installation), ()),
    "delete_credentials": (lambda w: w.cluster.delete_credentials(w.installation), ()),
    "delete_previous_credentials": (lambda w: w.cluster.delete_previous_credentials(w.installation, NOON), ()),
    "record_missed_request": (lambda w: w.cluster.record_missed_request(w.installation, MISSED), (KubeInvalid,)),
    "add_finalizer": (lambda w: w.cluster.add_finalizer(w.installation), ()),
    "remove_finalizer": (lambda w: w.cluster.remove_finalizer(w.installation), (KubeNotFound,)),
    "label": (lambda w: w.cluster.label(LABELLESS, AccountKey("team", "sentiment", ACCOUNT)), (KubeNotFound,)),
    "erase": (lambda w: w.cluster.erase(w.installation), ()),
    "delete_installation": (lambda w: w.cluster.delete_installation(w.installation), (KubeNotFound,)),
    "write_installation_status": (
        lambda w: w.cluster.write_installation_status(w.installation, InstallationStatus()),
        (KubeConflict,),
    ),
    "write_app_status": (lambda w: w.cluster.write_app_status(w.app, AppStatus()), (KubeConflict,)),
    "write_stalled": (
        lambda w: w.cluster.write_stalled(("TalkdeskTenant", "team", TENANT), Reason.INVALID_SPEC, ""),
        (),
    ),
    "create_tenant": (lambda w: w.cluster.create_tenant("team", TENANT, SPEC), (KubeAlreadyExists,)),
    "change_tenant": (lambda w: w.cluster.change_tenant(w.tenant, {}), ()),
    "write_tenant_status": (lambda w: w.cluster.write_tenant_status(w.tenant, TenantStatus()), (KubeConflict,)),
    "read_tenant": (lambda w: w.cluster.read_tenant(w.tenant), (KubeNotFound,)),
    "read_app": (lambda w: w.cluster.read_app(w.app), (KubeNotFound,)),
    "list_marked": (
        lambda w: w.cluster.list_marked(("", "v1", "ConfigMap"), "a=b", IDENTITY),
        (KubeForbidden, KubeNoPath, KubeRefused),
    ),
    "hold_tenant": (lambda w: w.cluster.hold_tenant(w.tenant), ()),
    "release_tenant": (lambda w: w.cluster.release_tenant(w.tenant), (KubeNotFound,)),
    "delete_tenant": (lambda w: w.cluster.delete_tenant(w.tenant), (KubeNotFound,)),
    "apply": (lambda w: w.cluster.apply(MANIFEST, IDENTITY, force=True), ()),
    "dry_run": (lambda w: w.cluster.dry_run(MANIFEST, IDENTITY), ()),
    "take_fields": (lambda w: w.cluster.take_fields(MANIFEST, MADE_BY_HAND, IDENTITY), ()),
    "reread_tenant": (lambda w: w.cluster.reread_tenant("team", TENANT), (KubeNotFound,)),
    "reread_installations": (lambda w: w.cluster.reread_installations(AccountKey("team", "sentiment", "a")), ()),
    "read_object": (lambda w: w.cluster.read_object(MANIFEST, IDENTITY), (KubeNotFound,)),
    "find": (lambda w: w.cluster.find(ENTRY, IDENTITY), (KubeNotFound, KubeNoPath)),
    "delete": (lambda w: w.cluster.delete(ENTRY, IDENTITY), (KubeNotFound, KubeNoPath)),
}
"""Each method of the port, and the errors that it takes for an answer."""
TREE: tuple[type[KubeError], ...] = (
    KubeAlreadyExists,
    KubeConflict,
    KubeExpired,
    KubeForbidden,
    KubeInvalid,
    KubeNoPath,
    KubeNotFound,
    KubeOverloaded,
    KubeRefused,
    KubeUnreachable,
)
ANYTHING_BUT_DISCOVERY = r"(?!GET /api/).*"


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
@pytest.mark.parametrize("method", CALLS)
async def test_every_error_of_the_api_server_reaches_the_caller_unless_it_is_an_answer(
    world: World, method: str, error: type[KubeError]
) -> None:
    call, answers = CALLS[method]
    world.server.journal.fail(ANYTHING_BUT_DISCOVERY, error("on purpose"))
    if error in answers:
        await call(world)
    else:
        with pytest.raises(error, match="on purpose"):
            await call(world)


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
async def test_an_event_that_cannot_be_posted_is_logged_and_forgotten(world: World, error: type[KubeError]) -> None:
    world.server.journal.fail(ANYTHING_BUT_DISCOVERY, error("on purpose"))
    with capture_logs() as logs:
        await world.cluster.emit_event(world.installation, EVENT)
    assert [(each["log_level"], each["reason"]) for each in logs] == [("warning", "Active")]


async def test_a_secret_that_is_gone_already_is_as_good_as_deleted(world: World) -> None:
    world.server.journal.fail("DELETE secrets/keys-1", KubeNotFound("on purpose"))
    await world.cluster.delete_credentials(world.installation)


@pytest.mark.parametrize("error", [KubeForbidden, KubeConflict])
async def test_an_error_at_one_secret_stops_the_deletion(world: World, error: type[KubeError]) -> None:
    world.server.journal.fail("DELETE secrets/keys-1", error("no"))
    with pytest.raises(error):
        await world.cluster.delete_credentials(world.installation)


def test_the_table_names_every_method_of_the_port() -> None:
    methods = {name for name in vars(Cluster) if not name.startswith("_")}
    # A kind of which nothing can be learned is left out (test_resources).
    assert methods == {*CALLS, "emit_event", "emit_namespace_event", "scopes", "version_seen"}


async def test_an_object_is_read_as_a_whole_in_the_name_of_its_service_account(world: World) -> None:
    found = await world.cluster.read_object(MANIFEST, IDENTITY)
    assert found is not None
    assert (found["metadata"]["uid"], found["data"]) == (ENTRY.uid, {"a": "b"})
    assert [each["manager"] for each in found["metadata"]["managedFields"]] == ["somebody"]
    assert world.server.requests[-1].as_user == IDENTITY
    world.server.remove("ConfigMap", "facts", SPACE)
    assert await world.cluster.read_object(MANIFEST, IDENTITY) is None
