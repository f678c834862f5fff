"""How each program of the control plane is called: its flags, with reasons.

Belongs here: pure functions from paths and ports to command lines. Does not belong here: starting anything.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from talkdesk_sandbox.controlplane.certificates import Credentials
from talkdesk_sandbox.controlplane.programs import Programs

__all__ = ["LOOPBACK", "Audit", "apiserver", "controller_manager", "etcd"]

LOOPBACK: Final = "127.0.0.1"
_ISSUER: Final = "https://kubernetes.default.svc"
_CONTROLLERS: Final = (
    "namespace-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "clusterrole-aggregation-controller",
)


def etcd(programs: Programs, data: Path, socket: Path, *, fsync: bool) -> list[str]:
    """Return how to run etcd on a Unix socket: it needs no port, and the folder's mode says who may connect."""
    # It must advertise URLs with a port. They are not used: it has no peers, and its only client has the socket.
    peer, client = "http://localhost:2380", "http://localhost:2379"
    command = [
        str(programs.etcd),
        f"--data-dir={data}",
        f"--listen-client-urls=unix://{socket}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls=unix://{socket}-peer",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--quota-backend-bytes=8589934592",
        "--log-level=warn",
    ]
    return command if fsync else [*command, "--unsafe-no-fsync"]


@dataclass(frozen=True, slots=True)
class Audit:
    """Files of the API server's audit."""

    policy: Path
    """What is written down (audit.k8s.io/v1 Policy, as YAML or JSON)."""
    log: Path
    """One JSON object for each stage of a request, written before the request is answered."""


def apiserver(
    programs: Programs, credentials: Credentials, etcd_socket: Path, port: int, audit: Audit | None = None
) -> list[str]:
    """Return how to run the API server on loopback only, with RBAC and the default admission plug-ins."""
    certificate, key = credentials.server
    command = [
        str(programs.apiserver),
        f"--etcd-servers=unix://{etcd_socket}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={credentials.ca}",
        "--authorization-mode=RBAC",
        f"--service-account-issuer={_ISSUER}",
        f"--service-account-key-file={credentials.service_accounts}",
        f"--service-account-signing-key-file={credentials.service_accounts}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--endpoint-reconciler-type=none",  # a loopback address can't be an endpoint of the kubernetes Service
        # One client here does the work of many in a cluster: fairness stays on, with many seats.
        "--max-requests-inflight=2000",
        "--max-mutating-requests-inflight=1000",
    ]
    if audit is None:
        return command
    return [
        *command,
        f"--audit-policy-file={audit.policy}",
        f"--audit-log-path={audit.log}",
        "--audit-log-mode=blocking",
    ]


def controller_manager(program: Path, credentials: Credentials, kubeconfig: Path) -> list[str]:
    """Return how to run the few controllers that make an API server behave like a cluster, as administrator."""
    return [
        str(program),
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(_CONTROLLERS)}",
        f"--service-account-private-key-file={credentials.service_accounts}",
        f"--root-ca-file={credentials.ca}",
        "--leader-elect=false",
        "--secure-port=0",  # it needs to answer no requests
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--concurrent-namespace-syncs=20",
    ]
