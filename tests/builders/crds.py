"""Our kinds, made known to a cluster."""

from pathlib import Path

from talkdesk_sandbox.controlplane import Cluster

CRDS = Path(__file__).parents[2] / "crds" / "yaml"


def apply_crds(cluster: Cluster) -> None:
    """Make the three kinds known, and wait until they are served."""
    cluster.kubectl("apply", "--server-side", "-f", str(CRDS))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS))
