"""The local control plane is a real Kubernetes, any number of them run at once, and nothing of them is left behind."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from talkdesk_sandbox.controlplane import Cluster, ControlPlane, KubectlFailed

POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: %(name)s}
spec:
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %(name)s}}
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  validations: [{expression: "has(object.data)", message: a map without data is pointless}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: %(name)s}
spec: {policyName: %(name)s, validationActions: [Deny]}
"""


def eventually(condition: Callable[[], bool], within: float = 90) -> None:
    """Wait for something that another process does without a notification."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def refused(cluster: Cluster, *arguments: str) -> bool:
    try:
        cluster.kubectl(*arguments)
    except KubectlFailed:
        return True
    return False


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # dead, but its parent has not collected it yet


def test_client_and_server_report_the_pinned_version(control_plane: Cluster) -> None:
    version = json.loads(control_plane.kubectl("version", "--output=json"))
    assert version["clientVersion"]["gitVersion"] == version["serverVersion"]["gitVersion"]
    assert version["serverVersion"]["minor"] == version["serverVersion"]["gitVersion"].split(".")[1]


def test_only_the_owner_can_read_the_kubeconfig_and_it_names_a_loopback_url(control_plane: Cluster) -> None:
    assert stat.S_IMODE(control_plane.kubeconfig.stat().st_mode) == 0o600
    assert control_plane.url.startswith("https://127.0.0.1:")


def test_a_service_account_may_do_what_rbac_allows_it_and_no_more(control_plane: Cluster, namespace: str) -> None:
    control_plane.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    control_plane.kubectl("create", "role", "reader", "--verb=get,list", "--resource=configmaps", "-n", namespace)
    control_plane.kubectl(
        "create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:reader", "-n", namespace
    )
    as_reader = f"--kubeconfig={control_plane.kubeconfig_for(namespace, 'reader')}"

    control_plane.kubectl(as_reader, "get", "configmaps", "-n", namespace)
    with pytest.raises(KubectlFailed, match=rf'User "system:serviceaccount:{namespace}:reader" cannot list'):
        control_plane.kubectl(as_reader, "get", "secrets", "-n", namespace)


def test_a_service_account_that_does_not_exist_gets_no_kubeconfig(control_plane: Cluster, namespace: str) -> None:
    with pytest.raises(KubectlFailed, match="not found"):
        control_plane.kubeconfig_for(namespace, "nobody")


def test_admission_policies_are_enforced(control_plane: Cluster, namespace: str) -> None:
    control_plane.kubectl("apply", "-f", "-", stdin=POLICY % {"name": namespace})
    try:
        # A policy is compiled a moment after it was stored.
        eventually(lambda: refused(control_plane, "create", "configmap", "x", "-n", namespace, "--dry-run=server"))
        with pytest.raises(KubectlFailed, match="a map without data is pointless"):
            control_plane.kubectl("create", "configmap", "x", "-n", namespace)
        control_plane.kubectl("create", "configmap", "x", "--from-literal=a=b", "-n", namespace)
    finally:
        control_plane.kubectl("delete", "-f", "-", stdin=POLICY % {"name": namespace})


def test_a_namespace_gets_its_service_account_and_is_deleted_with_its_content(
    control_plane: Cluster, namespace: str
) -> None:
    eventually(lambda: not refused(control_plane, "get", "serviceaccount", "default", "-n", namespace))
    control_plane.kubectl("create", "configmap", "content", "-n", namespace)

    control_plane.kubectl("delete", "namespace", namespace, "--timeout=60s")

    assert refused(control_plane, "get", "namespace", namespace)
    control_plane.kubectl("create", "namespace", namespace)  # its name is free again


def test_an_owned_object_is_deleted_with_its_owner(control_plane: Cluster, namespace: str) -> None:
    control_plane.kubectl("create", "configmap", "owner", "-n", namespace)
    uid = control_plane.kubectl("get", "configmap", "owner", "-n", namespace, "--output=jsonpath={.metadata.uid}")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    owned = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "owned", "namespace": namespace, "ownerReferences": [owner]},
    }
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(owned))

    control_plane.kubectl("delete", "configmap", "owner", "-n", namespace)

    eventually(lambda: refused(control_plane, "get", "configmap", "owned", "-n", namespace))


def test_two_control_planes_are_independent_and_leave_nothing_behind() -> None:
    one, other = ControlPlane(), ControlPlane(fsync=True)
    with one as first, other as second:
        first.kubectl("create", "namespace", "only-here")
        assert refused(second, "get", "namespace", "only-here")
        assert first.url != second.url
        folders = [first.kubeconfig.parent, second.kubeconfig.parent]
        pids = [*one.pids.values(), *other.pids.values()]
        assert all(running(pid) for pid in pids)

    assert not any(running(pid) for pid in pids)
    assert not any(folder.exists() for folder in folders)


def test_when_the_block_fails_the_logs_are_kept_and_the_keys_are_removed(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with ControlPlane() as cluster:
            folders.append(cluster.kubeconfig.parent)
            raise ValueError

    folders: list[Path] = []
    with pytest.raises(ValueError):  # noqa: PT011 (it is the test's own)
        fail()

    logs = folders[0] / "logs"
    assert f"logs are in {logs}" in capsys.readouterr().err
    assert [path.name for path in folders[0].iterdir()] == ["logs"]
    assert "Serving securely" in (logs / "kube-apiserver.log").read_text()
    shutil.rmtree(folders[0])


@pytest.mark.crash
def test_a_killed_user_leaves_no_process_and_no_folder() -> None:
    program = (
        "import json, sys; from talkdesk_sandbox.controlplane import ControlPlane; plane = ControlPlane()\n"
        "with plane as cluster:\n"
        "    print(json.dumps([str(cluster.kubeconfig.parent), plane.pids]), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout is not None
        folder, pids = json.loads(user.stdout.readline())
        assert {"etcd", "kube-apiserver"} <= set(pids)
        assert all(running(pid) for pid in pids.values())

        user.kill()

    eventually(lambda: not any(running(pid) for pid in pids.values()) and not Path(folder).exists())


@pytest.mark.crash
def test_when_the_api_server_is_killed_that_is_reported_and_the_other_programs_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plane = ControlPlane()
    with plane as cluster:
        pids = plane.pids
        os.kill(pids["kube-apiserver"], signal.SIGKILL)
        plane.wait()

    assert "kube-apiserver ended with status -9" in capsys.readouterr().err
    assert not any(running(pid) for pid in pids.values())
    shutil.rmtree(cluster.kubeconfig.parent)
