"""What is put into a kind cluster, before any cluster sees it."""

from pathlib import Path

import pytest
import yaml

from talkdesk_sandbox.kind.checkout import cluster_name
from talkdesk_sandbox.kind.manifests import App, Images, services, workload_steps, write_app

IMAGES = Images("talkdesk-operator:1", "talkdesk-webhook:1", "talkdesk-sandbox:1")


def test_checkouts_in_two_places_have_clusters_of_different_names(tmp_path: Path) -> None:
    names = {cluster_name(tmp_path), cluster_name(tmp_path / "other"), cluster_name(tmp_path)}
    assert len(names) == 2
    assert all(name.startswith("talkdesk-") for name in names)


def test_the_example_is_copied_under_another_name_and_its_components_are_found(tmp_path: Path) -> None:
    folder = write_app(tmp_path / "app", App("app-1", "id-1"), simulator="http://simulator.app-1", steps=[])
    texts = [path.read_text() for path in folder.iterdir()]
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert not any("namespace: sentiment" in text for text in texts)
    assert all((folder / place).exists() for place in (*kustomization["resources"], *kustomization["components"]))


@pytest.mark.parametrize("kind", ["Deployment", "Service"])
def test_simulator_and_scim_service_are_in_the_apps_namespace(kind: str) -> None:
    made = [each["metadata"] for each in services("app-1", IMAGES) if each["kind"] == kind]
    assert made == [{"name": name, "namespace": "app-1"} for name in ("simulator", "scim")]


def test_an_uninstall_retains_the_volume_and_deletes_the_pod() -> None:
    volume, app = workload_steps(IMAGES)
    assert [each["kind"] for each in volume["manifests"]] == ["PersistentVolumeClaim"]
    assert "onOffboard" not in volume
    assert app["onOffboard"] == "Delete"
