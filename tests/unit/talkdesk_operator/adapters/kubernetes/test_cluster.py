"""Each method of the cluster port: its requests, what it returns, and which errors it takes for an answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pytest
from structlog.testing import capture_logs

from builders.api_server import ApiServer, Request
from builders.objects import INSTALLATION, NOON, app_object, request_object, tenant_object
from builders.operator_in_memory import (
    ACCOUNT,
    IDENTITY,
    SPACE,
    TENANT,
    credentials_secret,
    installed,
)
from talkdesk_crds.app import AppStatus, TalkdeskApp
from talkdesk_crds.conditions import Reason
from talkdesk_crds.fields import LocalRef, to_wire_time
from talkdesk_crds.installation import InstallationPhase, InstallationStatus, TalkdeskInstallation
from talkdesk_crds.installation import Request as CustomersRequest
from talkdesk_crds.names import FINALIZER, LABEL_APP, LABEL_INSTALLATION, LABEL_MANAGED_BY
from talkdesk_crds.tenant import TalkdeskTenant, TenantSpec, TenantState, TenantStatus
from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.ports.cluster import Cluster
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
    KubeNotFound,
    KubeOverloaded,
    KubeRefused,
    KubeUnreachable,
)

OURS = "/apis/appconnect.talkdesk.dev/v1alpha1/namespaces/team"
INSTALLATION_PATH = f"{OURS}/talkdeskinstallations/{INSTALLATION}"
TENANT_PATH = f"{OURS}/talkdesktenants/{TENANT}"
SECRETS = "/api/v1/namespaces/team/secrets"
MANAGER = {"fieldManager": "talkdesk-operator"}
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
SELECTOR = f"{LABEL_MANAGED_BY}=talkdesk-operator,{LABEL_INSTALLATION}={INSTALLATION}"
LIST_SECRETS = Request("GET", SECRETS, accept=METADATA_ONLY, query={"labelSelector": SELECTOR})
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
    found = await world.cluster.read_credentials("team", "keys-1")
    assert world.requests == [Request("GET", f"{SECRETS}/keys-1")]
    assert found is not None
    assert sorted(found) == ["client_id", "key_algorithm", "key_id", "private_key"]
    assert found["client_id"].get_secret_value() == "client-1"
    assert "client-1" not in repr(found)


async def test_credentials_that_are_not_there_are_none_and_a_secret_may_be_empty(world: World) -> None:
    assert await world.cluster.read_credentials("team", "other") is None
    world.server.put({"kind": "Secret", "metadata": {"name": "empty"}})
    assert await world.cluster.read_credentials("team", "empty") == {}


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


async def test_all_credentials_of_an_ended_installation_are_deleted_by_name(world: World) -> None:
    world.server.put(credentials_secret("keys-0", event_time=NOON - timedelta(days=1)))
    world.server.put(credentials_secret("keys-9", event_time=NOON + timedelta(days=1)))
    await world.cluster.delete_credentials(world.installation)
    assert world.requests == [LIST_SECRETS, *(Request("DELETE", f"{SECRETS}/keys-{n}") for n in (1, 0))]
    assert [each["metadata"]["name"] for each in world.server.all("Secret")] == ["keys-9"]
    assert world.writes == [("Secret", "delete")] * 2


async def test_replaced_credentials_are_deleted_and_the_present_ones_stay(world: World) -> None:
    world.server.put(credentials_secret("keys-0", event_time=NOON - timedelta(days=1)))
    await world.cluster.delete_previous_credentials(world.installation, NOON)
    assert world.requests == [LIST_SECRETS, Request("DELETE", f"{SECRETS}/keys-0")]


# Installations.


async def test_a_missed_request_is_written_to_exactly_this_installation(world: World) -> None:
    await world.cluster.record_missed_request(world.installation, MISSED)
    test = {"op": "test", "path": "/metadata/uid", "value": f"uid-{INSTALLATION}"}
    add = {"op": "add", "path": "/spec/request", "value": request_object("Update", event="found-1")}
    assert world.requests == [Request("PATCH", INSTALLATION_PATH, [test, add], JSON_PATCH, query=MANAGER)]
    assert world.seen == [world.server.get("TalkdeskInstallation", INSTALLATION)]


async def test_the_finalizer_is_put_beside_others_on_the_version_that_was_read(world: World) -> None:
    world.server.edit("TalkdeskInstallation", INSTALLATION, {"metadata": {"finalizers": ["other"]}})
    read = world.installation
    await world.cluster.add_finalizer(read)
    metadata = {"finalizers": ["other", FINALIZER], "resourceVersion": read.metadata.resource_version}
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
    assert world.requests[-1].body == {"spec": {"accountName": None, "endpoints": None}}
    assert world.installation.spec.request is None


async def test_a_status_is_replaced_as_a_whole_and_only_of_the_same_object(world: World) -> None:
    read = world.installation
    await world.cluster.write_installation_status(read, InstallationStatus(talkdesk_state="old"))
    await world.cluster.write_installation_status(read, InstallationStatus(phase=InstallationPhase.ACTIVE))
    status = InstallationStatus(phase=InstallationPhase.ACTIVE).wire()
    test = {"op": "test", "path": "/metadata/uid", "value": read.metadata.uid}
    body = [test, {"op": "add", "path": "/status", "value": status}]
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


@pytest.mark.parametrize("kind", ["TalkdeskApp", "TalkdeskInstallation", "TalkdeskTenant"])
async def test_an_object_that_cannot_be_read_gets_two_conditions_and_keeps_the_rest(world: World, kind: str) -> None:
    name = {"TalkdeskApp": "sentiment", "TalkdeskInstallation": INSTALLATION, "TalkdeskTenant": TENANT}[kind]
    world.server.edit(kind, name, {"status": {"observedGeneration": 7}})
    await world.cluster.write_stalled((kind, "team", name), Reason.INVALID_SPEC, "x" * 5000)
    (request,) = world.requests
    assert (request.method, request.content_type) == ("PATCH", MERGE_PATCH)
    assert request.path == f"{OURS}/{kind.lower()}s/{name}/status"
    status = world.server.get(kind, name)["status"]
    assert [(c["type"], c["status"], c["reason"]) for c in status["conditions"]] == [
        ("Ready", "False", "InvalidSpec"),
        ("Stalled", "True", "InvalidSpec"),
    ]
    assert {len(c["message"]) for c in status["conditions"]} == {1024}
    assert all(datetime.fromisoformat(c["lastTransitionTime"]).tzinfo for c in status["conditions"])
    assert status["observedGeneration"] == 7
    assert world.seen == [world.server.get(kind, name)]


# Tenants.


async def test_a_tenant_is_created_with_its_labels_and_shown_to_the_cache(world: World) -> None:
    tenant = await world.cluster.create_tenant("team", "new", SPEC)
    (request,) = world.requests
    assert (request.method, request.path, request.query) == ("POST", f"{OURS}/talkdesktenants", MANAGER)
    labels = {LABEL_APP: "sentiment", LABEL_MANAGED_BY: "talkdesk-operator"}
    assert request.body["metadata"] == {"name": "new", "labels": labels}
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
    tenant = await world.cluster.change_tenant(world.tenant, {"state": TenantState.SUSPENDED, "installationRef": None})
    body = {"spec": {"state": "Suspended", "installationRef": None}}
    assert world.requests == [Request("PATCH", TENANT_PATH, body, MERGE_PATCH, query=MANAGER)]
    assert (tenant.spec.state, tenant.spec.installation_ref, tenant.spec.paused) == (TenantState.SUSPENDED, None, True)


async def test_a_tenants_record_is_deleted_by_its_uid(world: World) -> None:
    read = world.tenant
    world.server.remove("TalkdeskTenant", TENANT)
    world.server.put(tenant_object(TENANT, meta={"uid": "of-another"}))
    await world.cluster.delete_tenant(read)
    assert world.requests == [Request("DELETE", TENANT_PATH, {"preconditions": {"uid": read.metadata.uid}})]
    assert world.tenant.metadata.uid == "of-another"
    await world.cluster.delete_tenant(world.tenant)
    assert world.server.find("TalkdeskTenant", TENANT) is None
    assert world.writes == [("TalkdeskTenant", "delete")] * 2


# Objects of tenants.


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


async def test_objects_of_other_groups_and_of_the_cluster_are_applied_at_their_own_paths(world: World) -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reader"}}
    await world.cluster.apply(role, IDENTITY, force=False)
    assert world.requests[-1].path == "/apis/rbac.authorization.k8s.io/v1/clusterroles/reader"


async def test_an_object_that_was_not_applied_is_not_reported_as_applied(world: World) -> None:
    world.server.forbid("ConfigMap", "PATCH")
    with pytest.raises(KubeForbidden):
        await world.cluster.apply(MANIFEST, IDENTITY, force=True)
    assert world.applied == []


async def test_an_object_is_looked_for_in_the_tenants_name(world: World) -> None:
    assert await world.cluster.find(ENTRY, IDENTITY) == world.server.get("ConfigMap", "facts", SPACE)
    assert world.requests == [Request("GET", f"/api/v1/namespaces/{SPACE}/configmaps/facts", as_user=IDENTITY)]


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


# Events and errors.


async def test_an_event_is_posted_beside_its_object(world: World) -> None:
    await world.cluster.emit_event(world.installation, EVENT)
    (request,) = world.requests
    assert (request.method, request.path) == ("POST", "/apis/events.k8s.io/v1/namespaces/team/events")
    assert (request.body["reason"], request.body["reportingInstance"]) == ("Active", "operator-1")
    assert world.writes == [("Event", "create")]


Call: TypeAlias = Callable[[World], Awaitable[object]]
CALLS: dict[str, tuple[Call, tuple[type[KubeError], ...]]] = {
    "read_credentials": (lambda w: w.cluster.read_credentials("team", "keys-1"), (KubeNotFound,)),
    "previous_credentials": (lambda w: w.cluster.previous_credentials(w.installation), ()),
    "delete_credentials": (lambda w: w.cluster.delete_credentials(w.installation), ()),
    "delete_previous_credentials": (lambda w: w.cluster.delete_previous_credentials(w.installation, NOON), ()),
    "record_missed_request": (lambda w: w.cluster.record_missed_request(w.installation, MISSED), (KubeInvalid,)),
    "add_finalizer": (lambda w: w.cluster.add_finalizer(w.installation), ()),
    "remove_finalizer": (lambda w: w.cluster.remove_finalizer(w.installation), (KubeNotFound,)),
    "erase": (lambda w: w.cluster.erase(w.installation), ()),
    "write_installation_status": (
        lambda w: w.cluster.write_installation_status(w.installation, InstallationStatus()),
        (),
    ),
    "write_app_status": (lambda w: w.cluster.write_app_status(w.app, AppStatus()), ()),
    "write_stalled": (
        lambda w: w.cluster.write_stalled(("TalkdeskTenant", "team", TENANT), Reason.INVALID_SPEC, ""),
        (),
    ),
    "create_tenant": (lambda w: w.cluster.create_tenant("team", TENANT, SPEC), (KubeAlreadyExists,)),
    "change_tenant": (lambda w: w.cluster.change_tenant(w.tenant, {}), ()),
    "write_tenant_status": (lambda w: w.cluster.write_tenant_status(w.tenant, TenantStatus()), ()),
    "delete_tenant": (lambda w: w.cluster.delete_tenant(w.tenant), (KubeNotFound, KubeConflict)),
    "apply": (lambda w: w.cluster.apply(MANIFEST, IDENTITY, force=True), ()),
    "find": (lambda w: w.cluster.find(ENTRY, IDENTITY), (KubeNotFound,)),
    "delete": (lambda w: w.cluster.delete(ENTRY, IDENTITY), (KubeNotFound, KubeConflict)),
}
"""Each method of the port, and the errors that it takes for an answer."""
TREE: tuple[type[KubeError], ...] = (
    KubeAlreadyExists,
    KubeConflict,
    KubeExpired,
    KubeForbidden,
    KubeInvalid,
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


@pytest.mark.parametrize("error", [KubeNotFound, KubeConflict])
async def test_a_secret_that_is_gone_already_is_as_good_as_deleted(world: World, error: type[KubeError]) -> None:
    world.server.journal.fail("DELETE secrets/keys-1", error("on purpose"))
    await world.cluster.delete_credentials(world.installation)


async def test_an_error_at_one_secret_stops_the_deletion(world: World) -> None:
    world.server.journal.fail("DELETE secrets/keys-1", KubeForbidden("no"))
    with pytest.raises(KubeForbidden):
        await world.cluster.delete_credentials(world.installation)


def test_the_table_names_every_method_of_the_port() -> None:
    methods = {name for name in vars(Cluster) if not name.startswith("_")}
    assert methods == {*CALLS, "emit_event"}
