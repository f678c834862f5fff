"""Paths of kinds: found by discovery, once for each group and version."""

import pytest

from builders.api_server import ApiServer
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_runtime.kube_errors import (
    KubeError,
    KubeForbidden,
    KubeNoPath,
    KubeOverloaded,
    KubeRefused,
    KubeTransient,
    KubeUnreachable,
)


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


async def test_an_object_of_the_cluster_with_a_namespace_is_not_written_but_looked_at_again(
    resources: Resources,
) -> None:
    with pytest.raises(KubeTransient, match="Namespace x"):
        await resources.path("", "v1", "Namespace", "elsewhere", "x")
    assert await resources.locate("", "v1", "Namespace", "elsewhere", "x") == "/api/v1/namespaces/x"


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


@pytest.mark.parametrize(("group", "shown"), [("", "core/v1"), ("example.org", "example.org/v1")])
async def test_a_kind_that_is_not_served_is_refused_and_discovered_again_the_next_time(
    server: ApiServer, resources: Resources, group: str, shown: str
) -> None:
    for _ in range(2):
        with pytest.raises(KubeRefused, match=f"Widget in {shown}"):
            await resources.collection(group, "v1", "Widget")
    assert len(server.journal.lines) == 2 * 2  # the version, and then the versions that there are


async def test_a_failed_discovery_is_not_remembered(server: ApiServer, resources: Resources) -> None:
    server.journal.fail("GET /api/v1", KubeOverloaded("busy"))
    with pytest.raises(KubeOverloaded):
        await resources.collection("", "v1", "Secret")
    assert await resources.collection("", "v1", "Secret") == "/api/v1/secrets"


@pytest.mark.case(68)
async def test_the_scope_of_a_kind_is_known_when_it_is_served_and_left_out_otherwise(
    server: ApiServer, resources: Resources
) -> None:
    server.journal.fail("GET /apis/apps/v1", KubeOverloaded("busy"))
    asked = [
        ("", "v1", "Secret"),
        ("", "v1", "Namespace"),
        ("", "v1", "Nothing"),
        ("example.com", "v1", "ClusterWidget"),
        ("example.com", "v1", "ClusterWidget"),
        ("apps", "v1", "Deployment"),
    ]
    assert await resources.scopes(asked) == {
        ("", "Secret"): True,
        ("", "Namespace"): False,
        ("example.com", "ClusterWidget"): False,
    }
    assert server.journal.lines.count("GET /apis/example.com/v1") == 1


WIDGETS = "/apis/widgets.example"


async def located(resources: Resources, version: str = "v1", namespace: str = "x") -> str | None:
    return await resources.locate("widgets.example", version, "Widget", namespace, "a")


@pytest.mark.case(89)
async def test_an_object_is_located_in_its_own_version_without_asking_for_others(
    server: ApiServer, resources: Resources
) -> None:
    assert await located(resources) == f"{WIDGETS}/v1/namespaces/x/widgets/a"
    assert await located(resources) == f"{WIDGETS}/v1/namespaces/x/widgets/a"
    assert server.journal.lines == [f"GET {WIDGETS}/v1"]


@pytest.mark.case(89)
async def test_an_object_is_located_in_any_version_that_has_its_kind(server: ApiServer, resources: Resources) -> None:
    server.served |= {f"{WIDGETS}/v2": {"Gadget": "gadgets"}, f"{WIDGETS}/v3": server.served.pop(f"{WIDGETS}/v1")}
    assert await located(resources) == f"{WIDGETS}/v3/namespaces/x/widgets/a"
    assert await located(resources, "v2") == f"{WIDGETS}/v3/namespaces/x/widgets/a"


@pytest.mark.case(89)
@pytest.mark.parametrize("left", [{}, {f"{WIDGETS}/v1": {"Gadget": "gadgets"}}, {f"{WIDGETS}/v2": {}}])
async def test_a_kind_that_no_version_has_is_gone(
    server: ApiServer, resources: Resources, left: dict[str, dict[str, str]]
) -> None:
    del server.served[f"{WIDGETS}/v1"]
    server.served |= left
    assert await located(resources) is None


@pytest.mark.case(89)
async def test_a_kind_that_comes_back_is_found_again(server: ApiServer, resources: Resources) -> None:
    kinds = server.served.pop(f"{WIDGETS}/v1")
    assert await located(resources) is None
    server.served[f"{WIDGETS}/v1"] = kinds
    assert await located(resources) is not None


@pytest.mark.case(89)
@pytest.mark.parametrize("error", [KubeOverloaded("aggregated API server away"), KubeForbidden("no right to discover")])
@pytest.mark.parametrize("line", [f"GET {WIDGETS}/v1", f"GET {WIDGETS}", f"GET {WIDGETS}/v2"])
async def test_a_kind_is_not_gone_while_anything_of_the_discovery_fails(
    server: ApiServer, resources: Resources, line: str, error: KubeError
) -> None:
    server.served |= {f"{WIDGETS}/v2": {}, f"{WIDGETS}/v1": {}}
    server.journal.fail(line, error)
    with pytest.raises(type(error)):
        await located(resources)


@pytest.mark.case(89)
async def test_a_version_that_is_listed_and_not_served_leaves_it_in_doubt(
    server: ApiServer, resources: Resources
) -> None:
    server.journal.fail(f"GET {WIDGETS}/v1", KubeNoPath("404 page not found"))
    with pytest.raises(KubeUnreachable, match=r"lists widgets\.example/v1, but does not serve it"):
        await located(resources)


@pytest.mark.case(89)
async def test_an_object_without_a_namespace_is_gone_when_its_kind_needs_one_now(resources: Resources) -> None:
    assert await located(resources, namespace="") is None


@pytest.mark.case(89)
async def test_a_group_that_may_have_changed_is_read_again(server: ApiServer, resources: Resources) -> None:
    await located(resources)
    await resources.collection("", "v1", "Secret")
    server.served[f"{WIDGETS}/v1"] = {"Widget": "things"}
    assert await located(resources) == f"{WIDGETS}/v1/namespaces/x/widgets/a"
    resources.forget("widgets.example")
    assert await located(resources) == f"{WIDGETS}/v1/namespaces/x/things/a"
    await resources.collection("", "v1", "Secret")
    assert server.journal.lines.count("GET /api/v1") == 1
