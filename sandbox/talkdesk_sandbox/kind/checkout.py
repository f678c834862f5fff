"""Where this checkout is, and the names that derive from it, so that several can have clusters at the same time.

Belongs here: paths and names. Does not belong here: whether anything of that name exists.
"""

import hashlib
import os
from pathlib import Path
from typing import Final

from talkdesk_sandbox.controlplane.programs import cache

__all__ = ["CACHE", "CONTROLPLANE", "PREFIX", "ROOT", "SCRIPTS", "STATE", "cluster_name"]

ROOT: Final = Path(__file__).parents[3]
"""The checkout."""

SCRIPTS: Final = ROOT / "sandbox" / "kind"
"""What makes Docker engine and node image."""

CONTROLPLANE: Final = ROOT / "sandbox" / "controlplane"
"""The Go module whose Kubernetes the node image and kubectl are."""

STATE: Final = ROOT / "build" / "kind"
"""What belongs to this checkout's cluster: kubeconfig, logs of a failure."""

PREFIX: Final = "talkdesk-"
"""Begins the name of every cluster of ours."""


CACHE: Final = cache(os.environ) / "kind"
"""What all checkouts of this user share."""


def cluster_name(checkout: Path = ROOT) -> str:
    """Return the name of the checkout's cluster: the same for the same path."""
    return PREFIX + hashlib.sha256(os.fsencode(checkout.resolve())).hexdigest()[:8]
