"""Fields of an object that kubectl made are taken over: the requests."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from talkdesk_crds.names import FIELD_MANAGER
from talkdesk_operator.adapters.kubernetes.object_requests import ObjectRequests
from talkdesk_operator.adapters.kubernetes.object_writes import ObjectWrites
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_runtime.kube import JSON_PATCH, Kube
from talkdesk_runtime.kube_errors import KubeConflict

NOON = "2026-01-01T12:00:00Z"
MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "td"}, "data": {"x": "1"}}
OTHERS = {"manager": "helm", "operation": "Update", "fieldsV1": {"f:data": {"f:x": {}}}, "time": NOON}


def made(*keys: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:data": {f"f:{key}": {} for key in keys}}
    return {"manager": "kubectl-client-side-apply", "operation": "Update", "fieldsV1": fields, "time": NOON}


OWN = {**made("x"), "manager": FIELD_MANAGER, "operation": "Apply"}


def live(*entries: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a", "uid": "u", "resourceVersion": "7", "managedFields": list(entries)}}


class Server:
    """Answers each dry run with an object that has those managedFields, and keeps the other requests."""

    def __init__(self, *tried: Any) -> None:
        self.tried = live(*tried)
        self.requests: list[tuple[str, Any, Mapping[str, str], str]] = []
        self.error: Exception | None = None

    async def request(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        if path == "/api/v1":
            return {"resources": [{"kind": "ConfigMap", "name": "configmaps", "namespaced": True}]}
        if method == "GET":
            return {"versions": ["v1"]}
        self.requests.append((path, how["body"], how["query"], how["as_user"]))
        if how["content_type"] == JSON_PATCH and self.error is not None:
            raise self.error
        return self.tried

    async def take(self, *entries: Any) -> None:
        kube = cast("Kube", self)
        writes = ObjectWrites(kube, ObjectRequests(kube, Resources(kube)), lambda _kind, _verb: None)
        await writes.take_fields(MANIFEST, live(*entries), "somebody")


@pytest.mark.case(69)
async def test_what_kubectl_and_our_apply_both_set_becomes_ours_alone_in_the_version_that_was_read() -> None:
    server = Server(OWN)
    await server.take(made("x", "y"), OTHERS)
    (dry, (path, patch, query, user)) = server.requests
    assert dry[2] == {"fieldManager": FIELD_MANAGER, "force": "true", "dryRun": "All"}
    assert dry[1]["metadata"]["uid"] == "u"
    assert (path, query, user) == ("/api/v1/namespaces/td/configmaps/a", {"fieldManager": FIELD_MANAGER}, "somebody")
    assert patch == [
        {"op": "test", "path": "/metadata/uid", "value": "u"},
        {"op": "replace", "path": "/metadata/managedFields", "value": [made("y"), OTHERS]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
    ]


@pytest.mark.case(69)
@pytest.mark.parametrize(("entries", "tried"), [([OTHERS], OWN), ([made("y")], OWN), ([made("x")], None)])
async def test_nothing_is_written_where_kubectl_has_nothing_of_ours(entries: list[Any], tried: Any) -> None:
    server = Server(*([tried] if tried else []))
    await server.take(*entries)
    assert [query for _, _, query, _ in server.requests if "dryRun" not in query] == []


async def test_an_object_that_changes_meanwhile_is_left_as_it_is() -> None:
    server = Server(OWN)
    server.error = KubeConflict("the object has been modified")
    with pytest.raises(KubeConflict):
        await server.take(made("x"))
