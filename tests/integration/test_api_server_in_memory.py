"""The API server in memory that unit tests use gives the same answers as a real one, request by request."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from builders.api_server import HOME, ApiServer
from builders.objects import INSTALLATION, installation_object, tenant_object
from talkdesk_crds.names import ANNOTATION_CONFIRM_DELETION, GROUP, VERSION
from talkdesk_operator.reconcilers.object_apply import VERSION_OF_NONE
from talkdesk_runtime.kube import APPLY, JSON_PATCH, MERGE_PATCH, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_sandbox.controlplane import Cluster

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
LABELS = {"app.kubernetes.io/managed-by": "talkdesk-operator", "a": "b"}


class Story:
    """Requests one after the other, and what the server made of each in words that both servers share."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self.other = f"{namespace}-t"
        self.outcomes: list[str] = []

    def ours(self, plural: str, name: str = "") -> str:
        return resource_path(GROUP, VERSION, plural, self._namespace, name)

    def core(self, plural: str, name: str = "", namespace: str | None = None) -> str:
        return resource_path("", "v1", plural, self._namespace if namespace is None else namespace, name)

    async def ask(
        self, what: str, method: str, path: str, *shown: Callable[[dict[str, Any]], object], **fields: Any
    ) -> dict[str, Any]:
        """Make a request and note its error, or what `shown` takes from its answer."""
        try:
            answer = await self._kube.request(method, path, **fields)
        except KubeError as error:
            self.outcomes.append(f"{what}: {type(error).__name__} {getattr(error, 'terminating', '')}".rstrip())
            return {}
        self.outcomes.append(f"{what}: {json.dumps([each(answer) for each in shown], sort_keys=True)}")
        return answer


def generation(answer: dict[str, Any]) -> object:
    return answer["metadata"]["generation"]


def data(answer: dict[str, Any]) -> object:
    return answer.get("data")


def status(answer: dict[str, Any]) -> object:
    return answer.get("status")


def is_going(answer: dict[str, Any]) -> object:
    return "deletionTimestamp" in answer.get("metadata", {})


async def of_our_kinds(story: Story) -> None:
    """Creation, versions, statuses, finalizers, deletion."""
    body = installation_object(meta={"finalizers": [f"{GROUP}/tenant"]})
    confirmed = {ANNOTATION_CONFIRM_DELETION: "true"}  # the policies may be in the cluster
    finalizers = body["metadata"]["finalizers"]
    body = body | {"metadata": {"name": INSTALLATION, "finalizers": finalizers, "annotations": confirmed}}
    path = story.ours("talkdeskinstallations", INSTALLATION)
    await story.ask("none", "GET", path)
    made = await story.ask("create", "POST", story.ours("talkdeskinstallations"), generation, status, body=body)
    await story.ask("create again", "POST", story.ours("talkdeskinstallations"), body=body)
    uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    test = {"op": "test", "path": "/metadata/uid", "value": uid}
    add = {"op": "add", "path": "/status", "value": {"phase": "Active", "observedGeneration": 1}}
    json_patch: dict[str, Any] = {"content_type": JSON_PATCH}
    await story.ask("status", "PATCH", f"{path}/status", generation, status, body=[test, add], **json_patch)
    add["value"] = {"phase": "Pending"}
    await story.ask("status replaced", "PATCH", f"{path}/status", status, body=[test, add], **json_patch)
    version_of = {"op": "add", "path": "/metadata/resourceVersion", "value": version}
    versioned = [test, version_of, add]
    await story.ask("status of an older version", "PATCH", f"{path}/status", body=versioned, **json_patch)
    present = await story.ask("present", "GET", path, status)
    version_of["value"], add["value"] = present["metadata"]["resourceVersion"], {"phase": "Active"}
    await story.ask("status of this version", "PATCH", f"{path}/status", status, body=versioned, **json_patch)
    of_uid = {"metadata": {"uid": "of-another"}, "spec": {"paused": False}}
    await story.ask("merge into another", "PATCH", path, body=of_uid, content_type=MERGE_PATCH)
    test["value"] = "of-another"
    await story.ask("status of another", "PATCH", f"{path}/status", body=[test, add], **json_patch)
    merge: dict[str, Any] = {"content_type": MERGE_PATCH}
    await story.ask("status by spec", "PATCH", path, status, body={"status": {"phase": "Gone"}}, **merge)
    await story.ask("spec", "PATCH", path, generation, status, body={"spec": {"paused": True}}, **merge)
    await story.ask("spec by status", "PATCH", f"{path}/status", generation, body={"spec": {"paused": False}}, **merge)
    stale = {"metadata": {"finalizers": [], "resourceVersion": version}}
    await story.ask("stale", "PATCH", path, body=stale, **merge)
    await story.ask("deleted", "DELETE", path, is_going)
    await story.ask("deleted again", "DELETE", path, is_going)
    await story.ask("released", "PATCH", path, body={"metadata": {"finalizers": []}}, **merge)
    await story.ask("gone", "GET", path)
    await story.ask("patch of none", "PATCH", f"{path}/status", body={"status": {"phase": "Active"}}, **merge)


async def of_preconditions(story: Story) -> None:
    body = tenant_object("t1")
    body = body | {"metadata": {"name": "t1"}}
    made = await story.ask("create", "POST", story.ours("talkdesktenants"), generation, body=body)
    path = story.ours("talkdesktenants", "t1")
    await story.ask("another uid", "DELETE", path, body={"preconditions": {"uid": "of-another"}})
    uid = made["metadata"]["uid"]
    old = {"preconditions": {"uid": uid, "resourceVersion": made["metadata"]["resourceVersion"]}}
    await story.ask("an edit", "PATCH", path, generation, body={"spec": {"paused": True}}, content_type=MERGE_PATCH)
    await story.ask("another version", "DELETE", path, body=old)
    await story.ask("another version, tried", "DELETE", path, body=old | {"dryRun": ["All"]})
    known = {"preconditions": {"uid": uid}}
    await story.ask("its uid, tried", "DELETE", path, lambda a: a.get("kind"), body=known | {"dryRun": ["All"]})
    await story.ask("still there", "GET", path, generation)
    await story.ask("its uid", "DELETE", path, lambda a: a.get("kind"), body=known)
    await story.ask("once more", "DELETE", path, body={"preconditions": {"uid": uid}})


async def of_apply(story: Story) -> None:
    """Ownership of fields, uids, namespaces."""
    manifest: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": story.other},
    }
    path = story.core("configmaps", "c", story.other)

    async def apply(what: str, *, manager: str = "us", force: bool = False, **fields: Any) -> dict[str, Any]:
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        body = manifest | fields
        return await story.ask(what, "PATCH", path, data, body=body, content_type=APPLY, query=query)

    await apply("no namespace")
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": story.other}}
    query = {"fieldManager": "us", "force": "false"}
    await story.ask(
        "namespace",
        "PATCH",
        story.core("namespaces", story.other, ""),
        lambda a: a["status"]["phase"],
        body=space,
        content_type=APPLY,
        query=query,
    )
    without = manifest["metadata"]
    await apply("uid of none", metadata=without | {"uid": "of-none"}, force=True)
    none = without | {"resourceVersion": VERSION_OF_NONE}
    made = await apply("first", metadata=none, data={"x": "1", "y": "1"})
    await apply("made again", metadata=none, data={"x": "1", "y": "1"}, force=True)
    await apply("the same", data={"x": "1", "y": "1"})
    await apply("less", data={"x": "1"})
    await apply("others", manager="them", data={"x": "2"})
    await apply("others by force", manager="them", data={"x": "2"}, force=True)
    await apply("conflict", data={"x": "1"})
    await apply("agreement", data={"x": "2"})
    await apply("by force", data={"x": "1"}, force=True)
    await apply("its uid", metadata=without | {"uid": made["metadata"]["uid"]}, data={"x": "3"}, force=True)
    dry = {"fieldManager": "us", "force": "false", "dryRun": "All"}
    await story.ask("dry run", "PATCH", path, body=manifest | {"data": {"x": "9"}}, content_type=APPLY, query=dry)
    await story.ask("after a dry run", "GET", path, data)
    await apply("another uid", metadata=without | {"uid": "of-another"}, data={"x": "4"}, force=True)


async def of_lists(story: Story) -> None:
    async def listed(what: str, selector: str) -> None:
        def names(answer: dict[str, Any]) -> object:
            items = answer["items"]
            return items if items is None else [each["metadata"]["name"] for each in items]

        query = {"labelSelector": selector}
        await story.ask(what, "GET", story.core("configmaps"), names, query=query, accept=METADATA_ONLY)

    await listed("none", "a=b,c=d")
    for name, labels in (("one", LABELS), ("two", LABELS | {"a": "c"})):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}
        await story.ask("create", "POST", story.core("configmaps"), data, body=body)
    await listed("one of two", "a=b,app.kubernetes.io/managed-by=talkdesk-operator")


def two_kinds(answer: dict[str, Any]) -> object:
    return sorted({"Deployment", "ConfigMap"} & {resource["kind"] for resource in answer["resources"]})


async def of_discovery(story: Story) -> None:
    for path in ("/api/v1", "/apis/apps/v1"):
        await story.ask(path, "GET", path, two_kinds)
    await story.ask("no group", "GET", "/apis/nobody.example.com/v1")


@pytest.mark.parametrize(
    "tell",
    [of_our_kinds, of_preconditions, of_apply, of_lists, of_discovery],
    ids=lambda tell: tell.__name__.removeprefix("of_").replace("_", " "),
)
async def test_both_servers_answer_alike(crds: Cluster, namespace: str, tell: Callable[[Story], Any]) -> None:
    in_memory = Story(ApiServer().kube, HOME)
    await tell(in_memory)
    async with await Kube.connect(user_agent="test", kubeconfig=crds.kubeconfig) as kube:
        real = Story(kube, namespace)
        await tell(real)
    assert in_memory.outcomes == real.outcomes
