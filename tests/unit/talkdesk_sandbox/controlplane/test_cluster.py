"""kubectl and kubeconfigs, with a stand-in for kubectl."""

import json
import stat
from pathlib import Path

import pytest

from builders.programs import executable
from talkdesk_sandbox.controlplane.cluster import Cluster
from talkdesk_sandbox.controlplane.errors import KubectlFailed

CONFIG = {"kind": "Config", "users": [{"name": "admin", "user": {"client-key-data": "QURNSU4="}}]}


def cluster(tmp_path: Path, script: str) -> Cluster:
    return Cluster(tmp_path / "kubeconfig", executable(tmp_path / "bin" / "kubectl", script), tmp_path)


def test_kubectl_gets_arguments_input_and_the_clusters_own_settings(tmp_path: Path) -> None:
    out = cluster(tmp_path, 'echo "$@"; cat; echo "$KUBECONFIG"').kubectl("apply", "-f", "-", stdin="{}\n")
    assert out.splitlines() == ["apply -f -", "{}", str(tmp_path / "kubeconfig")]


def test_a_failing_kubectls_message_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(KubectlFailed, match=r"^kubectl get 'a b': Error from server$"):
        cluster(tmp_path, "echo Error from server >&2; exit 1").kubectl("get", "a b")


def test_a_service_accounts_kubeconfig_has_its_token_and_no_credentials_of_the_administrator(tmp_path: Path) -> None:
    script = f"case $1 in create) echo token-of-$3-$4-$5 ;; config) echo '{json.dumps(CONFIG)}' ;; esac"

    path = cluster(tmp_path, script).kubeconfig_for("ns", "operator", hours=2)

    [user] = json.loads(path.read_text())["users"]
    assert user == {"name": "admin", "user": {"token": "token-of-operator---namespace=ns---duration=2h"}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
