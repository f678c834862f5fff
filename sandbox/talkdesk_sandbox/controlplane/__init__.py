"""A real Kubernetes API on this machine: etcd, kube-apiserver and controller manager, without containers or root.

    with ControlPlane() as cluster:
        cluster.kubectl("create", "namespace", "acme")
        with_rights_of_operator = cluster.kubeconfig_for("talkdesk-system", "talkdesk-operator")

Belongs here: finding or compiling the programs, starting and ending them, and what a person or a test needs to use
them. Does not belong here: our kinds, the simulator, the demonstration.

The modules, in the order in which they are used: `programs` looks for the programs, `tools` and `helm` for further
ones, `build` compiles them, `certificates` makes keys, `commands` says how each program is called, `processes` and
`supervisor` start them and make sure that none is left behind, `plane` puts it together, `cluster` is for its users.
The figures are in `sandbox/controlplane/README.md`.
"""

from talkdesk_sandbox.controlplane.cluster import Cluster
from talkdesk_sandbox.controlplane.commands import Audit
from talkdesk_sandbox.controlplane.errors import (
    BuildFailed,
    ControlPlaneError,
    KubectlFailed,
    ProgramsUnavailable,
    StartFailed,
)
from talkdesk_sandbox.controlplane.helm import find_helm
from talkdesk_sandbox.controlplane.plane import ControlPlane
from talkdesk_sandbox.controlplane.programs import Programs, find_programs
from talkdesk_sandbox.controlplane.tools import OAUTH2_PROXY, Tool, find_tool

__all__ = [
    "OAUTH2_PROXY",
    "Audit",
    "BuildFailed",
    "Cluster",
    "ControlPlane",
    "ControlPlaneError",
    "KubectlFailed",
    "Programs",
    "ProgramsUnavailable",
    "StartFailed",
    "Tool",
    "find_helm",
    "find_programs",
    "find_tool",
]
