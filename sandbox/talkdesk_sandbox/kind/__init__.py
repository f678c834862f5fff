"""A real Kubernetes cluster on this machine by kind: nodes, kubelet and pods, with our images in it.

    with KindCluster.of_checkout() as kind:              # made, or the one that `make kind-up` has left
        kind.load("talkdesk-operator:0.1.0")
        kind.cluster.kubectl("apply", "--server-side", "-k", "manifests/base")

Belongs here: making and removing a cluster, what it needs on this machine (Docker engine, kind, kubectl, node image),
bringing images and manifests into it, and the demonstration in it. Does not belong here: the local control plane
without nodes (`controlplane`), tests.

The modules, in the order in which they are used: `checkout` has the names, `engine`, `tools` and `node_image` see to
what a cluster needs, `records` knows which clusters are whose, `cluster` makes and removes one, `images` and
`deployment` bring our programs into it, `api_proxy` reaches them, `demo` plays a customer's life, `__main__` is for a
terminal.
"""

from talkdesk_sandbox.kind.cluster import KindCluster
from talkdesk_sandbox.kind.errors import ClusterFailed, EngineUnavailable, KindError

__all__ = ["ClusterFailed", "EngineUnavailable", "KindCluster", "KindError"]
