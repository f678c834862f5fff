"""The files of the manifests: kustomizations name all that is there, and objects say where they belong."""

from pathlib import Path

import pytest

from builders.manifest_files import COMPONENTS, DOCUMENTS, KUSTOMIZATIONS, MANIFESTS, ROOT, documents

CLUSTER_WIDE = ("Cluster", "ValidatingAdmission", "Namespace", "PriorityClass")
PLACEHOLDER = "name-of-your-namespace"


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_a_kustomization_names_what_is_there_and_all_of_it(path: Path) -> None:
    (kustomization,) = documents(path)
    names = [name for key in ("resources", "components") for name in kustomization.get(key, ())]
    assert names or kustomization["patches"]
    named = [(path.parent / name).resolve() for name in names]
    assert all(each.exists() for each in named)
    beside = {each for each in path.parent.iterdir() if each.suffix == ".yaml" and each != path}
    assert beside <= set(named)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(MANIFESTS)))
def test_every_object_has_a_kind_and_a_name_and_namespaced_ones_a_namespace(path: Path) -> None:
    for document in documents(path):
        assert document["apiVersion"]
        assert document["metadata"]["name"]
        cluster_wide = document["kind"].startswith(CLUSTER_WIDE)
        assert ("namespace" in document["metadata"]) != cluster_wide, document["kind"]


@pytest.mark.parametrize("path", sorted(COMPONENTS.glob("app-*/*.yaml")), ids=lambda path: str(path.parent.name))
def test_whoever_forgets_the_namespace_of_an_app_is_refused_by_its_placeholder(path: Path) -> None:
    # No object may land in the namespace that kubectl happens to have chosen.
    for document in documents(path):
        if path.name != "kustomization.yaml":
            assert document["metadata"]["namespace"] == PLACEHOLDER
