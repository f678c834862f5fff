"""From the release before to this one and back, with customers who stay: their objects go on working (row 56)."""

import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.kind_app import WITHIN, KindApp
from builders.kind_stream import CustomerStream
from talkdesk_sandbox.kind import KindCluster, deployment
from talkdesk_sandbox.kind.checkout import ROOT
from talkdesk_sandbox.kind.manifests import SYSTEM, Images

pytestmark = pytest.mark.kind
RELEASE = (Path(__file__).parent / "previous_release").read_text(encoding="utf-8").split()[0]
"""A commit: the release before, or as long as there is none, the first that has images."""


def previous_commit() -> str:
    """Return the release before; in a clone that does not have it, the commit before this one."""
    known = subprocess.run(
        ["git", "cat-file", "-e", f"{RELEASE}^{{commit}}"], cwd=ROOT, check=False, capture_output=True
    )
    return RELEASE if known.returncode == 0 else "HEAD^"


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the release before, with its images made."""
    folder = tmp_path_factory.mktemp("previous")
    archive = folder.with_suffix(".tar")
    subprocess.run(["git", "archive", f"--output={archive}", previous_commit()], cwd=ROOT, check=True)
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()
    environment = {**os.environ, "VENV": str(ROOT / os.environ.get("VENV", ".venv")), "TAG": "previous"}
    subprocess.run([folder / "sandbox" / "images" / "build", "operator", "webhook"], env=environment, check=True)
    return folder


@pytest.fixture
def this_release_at_the_end(kind: KindCluster, images: Images) -> Iterator[None]:
    yield
    deployment.install(kind, images)


def install_previous(app: KindApp, source: Path) -> None:
    """Apply the manifests of the release before, but for CRDs, which never go back."""
    names = ("talkdesk-operator:previous", "talkdesk-webhook:previous")
    app.kind.load(*names)
    overlay = source / "manifests" / "previous"
    overlay.mkdir(exist_ok=True)
    images = "".join(f"- {{name: {name.partition(':')[0]}, newTag: previous}}\n" for name in names)
    (overlay / "kustomization.yaml").write_text(f"resources: [../base]\nimages:\n{images}", encoding="utf-8")
    app.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(overlay))
    for name in ("talkdesk-operator", "talkdesk-webhook"):
        app.cluster.kubectl(f"--namespace={SYSTEM}", "rollout", "status", f"deployment/{name}", f"--timeout={WITHIN}s")


@pytest.mark.case(56)
@pytest.mark.usefixtures("this_release_at_the_end")
def test_an_upgrade_and_a_downgrade_keep_every_customer(light_app: KindApp, previous: Path, images: Images) -> None:
    install_previous(light_app, previous)
    before = light_app.simulator.install("acme", light_app.app.app_id)
    light_app.until_done(before, "Active")
    tenant = light_app.tenant()
    uid = tenant.get("configmap/account")["metadata"]["uid"]

    with CustomerStream(light_app) as while_up:
        deployment.install(light_app.kind, images)
    light_app.until_done(light_app.simulator.update("acme", plan="Gold"), "Active")

    with CustomerStream(light_app, name="later") as while_down:
        install_previous(light_app, previous)
    light_app.until_done(light_app.simulator.update("acme", plan="Silver"), "Active")

    account = tenant.get("configmap/account")
    assert account["metadata"]["uid"] == uid, "it is the same object all the time"
    assert account["data"]["plan"] == "Silver"
    deployment.install(light_app.kind, images)
    assert not while_up.check()
    assert not while_down.check()
