"""Which image a node has: `KIND_NODE_IMAGE`, the one of `sandbox/kind/build-node-image`, or kind's official one.

Belongs here: the choice. Does not belong here: how the local one is made.
"""

import http.client
import os
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from talkdesk_sandbox.kind.checkout import SCRIPTS
from talkdesk_sandbox.kind.commands import run, succeeds
from talkdesk_sandbox.kind.engine import docker, image_id
from talkdesk_sandbox.kind.errors import CommandFailed, report
from talkdesk_sandbox.kind.tools import KIND_MODULE

__all__ = ["choose_node_image"]

_SCRIPT: Final = SCRIPTS / "build-node-image"
_REGISTRY: Final = "https://registry-1.docker.io/v2/"
_REACHED_WITHIN: Final = 5.0  # seconds


def choose_node_image() -> str:
    """Return the name of a node image that is there; it is pulled or made if needed, which takes minutes.

    Raises KindError when there is none.
    """
    if given := os.environ.get("KIND_NODE_IMAGE"):
        if image_id(given) is None:
            docker("pull", "--quiet", given)
        return given
    if succeeds([_SCRIPT, "--check"], within=30):
        return run([_SCRIPT, "--name"]).strip()
    official = _official()
    if official is not None and (image_id(official) is not None or _pulled(official)):
        return official
    run([_SCRIPT], shown=True)
    return run([_SCRIPT, "--name"]).strip()


def _official() -> str | None:
    """Return the image that this version of kind takes by itself, or None when kind's source does not say."""
    run(["go", "-C", str(KIND_MODULE), "mod", "download", "sigs.k8s.io/kind"])
    folder = run(["go", "-C", str(KIND_MODULE), "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kind"])
    source = Path(folder.strip(), "pkg/apis/config/defaults/image.go").read_text()
    found = re.search(r'^const Image = "([^"]+)"', source, re.MULTILINE)
    return found[1] if found else None


def _pulled(image: str) -> bool:
    try:
        urllib.request.urlopen(_REGISTRY, timeout=_REACHED_WITHIN).close()
    except urllib.error.HTTPError:
        pass  # it asks for a token, so it is there
    except (OSError, http.client.HTTPException):
        return False
    report(f"pulling {image}")
    try:
        docker("pull", "--quiet", image)
    except CommandFailed as error:
        report(str(error).splitlines()[-1])
        return False
    return True
