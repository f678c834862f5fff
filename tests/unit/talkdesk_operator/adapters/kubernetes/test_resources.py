"""Paths of kinds: found by discovery, once for each group and version."""

import pytest

from builders.api_server import ApiServer
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_runtime.kube_errors import KubeOverloaded, KubeRefused


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
def resources(server: ApiServer) -> Resources:
    return Resources(server.kube)


async def test_an_object_has_the_path_that_discovery_gives_its_kind(resources: Resources) -> None:
    assert await resources.path("", "v1", "ConfigMap", "x", "facts") == "/api/v1/namespaces/x/configmaps/facts"
    assert await resources.path("apps", "v1", "Deployment", "x", "a") == "/apis/apps/v1/namespaces/x/deployments/a"


async def test_an_object_of_the_cluster_has_no_namespace_in_its_path(resources: Resources) -> None:
    assert await resources.path("", "v1", "Namespace", "", "x") == "/api/v1/namespaces/x"
    assert await resources.path("", "v1", "Namespace", "ignored", "x") == "/api/v1/namespaces/x"


async def test_an_object_that_needs_a_namespace_and_has_none_is_refused_by_name(resources: Resources) -> None:
    with pytest.raises(KubeRefused, match=r"ConfigMap facts .*metadata\.namespace"):
        await resources.path("", "v1", "ConfigMap", "", "facts")


async def test_all_objects_of_a_kind_have_one_path_over_all_namespaces(resources: Resources) -> None:
    assert await resources.collection("", "v1", "Secret") == "/api/v1/secrets"


async def test_a_group_is_discovered_once(server: ApiServer, resources: Resources) -> None:
    for kind in ("ConfigMap", "Secret", "ConfigMap"):
        await resources.collection("", "v1", kind)
    assert server.journal.lines == ["GET /api/v1"]


async def test_names_are_percent_encoded(resources: Resources) -> None:
    assert (await resources.path("", "v1", "ConfigMap", "x", "a/b?c")).endswith("/a%2Fb%3Fc")


async def test_a_part_of_a_kind_is_no_kind(resources: Resources) -> None:
    with pytest.raises(KubeRefused, match="Scale"):
        await resources.collection("", "v1", "Scale")


@pytest.mark.parametrize(("group", "shown"), [("", "core/v1"), ("example.com", "example.com/v1")])
async def test_a_kind_that_is_not_served_is_refused_and_discovered_again_the_next_time(
    server: ApiServer, resources: Resources, group: str, shown: str
) -> None:
    for _ in range(2):
        with pytest.raises(KubeRefused, match=f"Widget in {shown}"):
            await resources.collection(group, "v1", "Widget")
    assert len(server.journal.lines) == 2


async def test_a_failed_discovery_is_not_remembered(server: ApiServer, resources: Resources) -> None:
    server.journal.fail("GET /api/v1", KubeOverloaded("busy"))
    with pytest.raises(KubeOverloaded):
        await resources.collection("", "v1", "Secret")
    assert await resources.collection("", "v1", "Secret") == "/api/v1/secrets"
