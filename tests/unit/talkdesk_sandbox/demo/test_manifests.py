"""The example is used unchanged but for the hosts that its app calls."""

import json
from pathlib import Path

import yaml

from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.reconcilers.apps import compile_app
from talkdesk_sandbox.demo.manifests import EXAMPLE, OVERLAY, USERS, write_overlay
from talkdesk_sandbox.simulator.state.links import Links

SIMULATOR = "http://127.0.0.1:8090"


def kustomization(folder: Path) -> dict[str, object]:
    got: dict[str, object] = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return got


def test_the_overlay_and_the_example_are_there() -> None:
    assert kustomization(OVERLAY)["kind"] == kustomization(EXAMPLE)["kind"] == "Kustomization"


def test_the_example_is_named_by_relative_paths_which_kustomize_accepts(tmp_path: Path) -> None:
    folder = write_overlay(SIMULATOR, tmp_path / "app")
    written = yaml.safe_load((folder / "kustomization.yaml").read_text())
    for kind, path in (("resources", EXAMPLE), ("components", USERS)):
        (named,) = written[kind]
        assert not Path(named).is_absolute()
        assert (folder / named).resolve() == path.resolve()


def test_only_the_hosts_of_the_app_are_changed_to_the_simulators(tmp_path: Path) -> None:
    folder = write_overlay(SIMULATOR, tmp_path / "app")
    (patch,) = yaml.safe_load((folder / "kustomization.yaml").read_text())["patches"]
    app = yaml.safe_load((EXAMPLE / "app.yaml").read_text())
    for change in json.loads(patch["patch"]):
        member = change["path"].removeprefix("/spec/")
        if change["op"] == "remove":
            del app["spec"][member]
        else:
            app["spec"][member] = change["value"]

    read = TalkdeskApp.read(app | {"metadata": app["metadata"] | {"uid": "u", "generation": 1}})
    view = compile_app(read, allow_insecure=True)

    assert patch["target"] == {"kind": "TalkdeskApp"}
    assert view.hosts is not None
    view.hosts.check_api(SIMULATOR)
    view.hosts.check_token(Links(SIMULATOR).token_url("acme"))
    assert view.hosts.token_url("acme") == Links(SIMULATOR).token_url("acme")
