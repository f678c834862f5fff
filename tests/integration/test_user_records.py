"""Records of users on a real API server, with the very rights that the example gives the operator."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from builders.stack_manifests import rights
from talkdesk_crds.names import USERS_TYPE
from talkdesk_operator.adapters.kubernetes.user_records import SecretUserRecordStore
from talkdesk_operator.domain.ports.scim import Ref
from talkdesk_operator.domain.users.record import CAPACITY, MAX_ID_BYTES, Piece, RecordedUser
from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_runtime.kube_errors import KubeConflict, KubeForbidden, KubeInvalid
from talkdesk_sandbox.controlplane import Cluster

PIECE = Piece("service", "salt", {"u1": RecordedUser(Ref("p1", 'W/"1"'), "digest", active=True)})


@pytest.fixture
async def operator(control_plane: Cluster, namespace: str) -> AsyncIterator[Kube]:
    """The operator's connection, with its own rights in the namespace."""
    theirs = [each for each in rights(namespace) if each["kind"] in {"ServiceAccount", "Role", "RoleBinding"}]
    roles = [each for each in rights(namespace) if each["metadata"]["name"] == "talkdesk-operator-app"]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*theirs, *roles]})
    await asyncio.to_thread(control_plane.kubectl, "apply", "--server-side", "-f", "-", stdin=listed)
    config = control_plane.kubeconfig_for(namespace, "talkdesk-operator")
    async with await Kube.connect(user_agent="test", kubeconfig=config) as kube:
        yield kube


def records(kube: Kube) -> SecretUserRecordStore:
    return SecretUserRecordStore(kube, wrote=lambda _kind, _verb: None)


@pytest.mark.case(60)
async def test_a_record_of_the_greatest_size_is_kept_changed_and_dropped(operator: Kube, namespace: str) -> None:
    longest = RecordedUser(Ref("p" * MAX_ID_BYTES, "v" * MAX_ID_BYTES), "f" * 24, active=True)
    full = Piece("service", "salt", {f"{number:0{MAX_ID_BYTES}}": longest for number in range(CAPACITY)})
    kept = records(operator)
    assert await kept.load(namespace, "acme") == ()
    await kept.save(namespace, "acme", {0: full, 1: PIECE})
    assert await kept.load(namespace, "acme") == (full, PIECE)
    fewer = Piece("service", "salt", {"u2": RecordedUser(None)})
    await kept.save(namespace, "acme", {1: fewer})
    await kept.save(namespace, "acme-2", {0: PIECE})
    assert await kept.load(namespace, "acme") == (full, fewer)
    await kept.drop(namespace, "acme")
    await kept.drop(namespace, "acme")
    assert await kept.load(namespace, "acme") == ()
    assert await kept.load(namespace, "acme-2") == (PIECE,)


@pytest.mark.case(81)
async def test_a_former_leaders_late_record_is_refused(operator: Kube, namespace: str) -> None:
    ours, former = records(operator), records(operator)
    for store in (ours, former):
        assert await store.load(namespace, "late") == ()
    await ours.save(namespace, "late", {0: PIECE})
    with pytest.raises(KubeConflict):
        await former.save(namespace, "late", {0: Piece("service", "salt", {})})
    assert await former.load(namespace, "late") == (PIECE,)
    fewer = Piece("service", "salt", {"u2": RecordedUser(None)})
    await ours.save(namespace, "late", {0: fewer})
    with pytest.raises(KubeConflict):
        await former.save(namespace, "late", {0: PIECE})
    assert await ours.load(namespace, "late") == (fewer,)


async def test_somebody_elses_secret_of_that_name_is_left_alone(
    operator: Kube, control_plane: Cluster, namespace: str
) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "acme-users-0", "namespace": namespace},
        "stringData": {"theirs": "x"},
    }
    await asyncio.to_thread(control_plane.kubectl, "create", "-f", "-", stdin=json.dumps(theirs))
    with pytest.raises(KubeInvalid):
        await records(operator).save(namespace, "acme", {0: PIECE})
    assert await records(operator).load(namespace, "acme") == ()
    found = await operator.request("GET", resource_path("", "v1", "secrets", namespace, "acme-users-0"))
    assert found["type"] != USERS_TYPE
    assert list(found["data"]) == ["theirs"]


@pytest.mark.case(66)
async def test_the_right_to_write_secrets_ends_with_the_namespace(operator: Kube) -> None:
    with pytest.raises(KubeForbidden):
        await records(operator).save("default", "acme", {0: PIECE})
