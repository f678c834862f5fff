"""What webhook and operator both need to run in a cluster: the Kubernetes API over HTTP, and logs.

Belongs here: plumbing that knows nothing of Talkdesk. Does not belong here: decisions, names of our kinds.
The webhook and the operator never import each other, so what they share is either vocabulary (talkdesk_crds) or this.
"""

from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeError

__all__ = ["Kube", "KubeError"]
