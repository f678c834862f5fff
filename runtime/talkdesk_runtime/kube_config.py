"""The official client's own reading of kubeconfig and service account, for a process that may have no home.

Belongs here: what must be so before that part of the client is imported, which is done nowhere else.
"""

import os

__all__ = ["ConfigException", "Configuration", "load_incluster_config", "load_kube_config"]

# At its import the client looks for ~/.kube/config, and fails where nobody knows what `~` is: for a user without a name
# when HOME is not set. `/` is what Docker says then.
if os.path.expanduser("~") == "~":  # noqa: PTH111 - pathlib raises here
    os.environ["HOME"] = "/"

from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.incluster_config import load_incluster_config
from kubernetes.aio.config.kube_config import load_kube_config
