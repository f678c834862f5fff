"""Images from the Docker engine into a node.

Belongs here: bringing them there. Does not belong here: making them.
"""

import json
import subprocess
from collections.abc import Sequence

from talkdesk_sandbox.kind.engine import docker, image_id
from talkdesk_sandbox.kind.errors import CommandFailed, ToolUnavailable

__all__ = ["load"]


def load(node: str, names: Sequence[str]) -> None:
    """Bring local images into a node; those that are there already are left out. Raises ToolUnavailable, CommandFailed.

    It does what `kind load docker-image` does, in one pipe for all of them and without a file in between.
    """
    ids = {name: image_id(name) for name in names}
    if missing := [name for name, found in ids.items() if found is None]:
        raise ToolUnavailable(f"there is no image {', '.join(missing)}: make images")
    there = _there(node)
    if wanted := [name for name, found in ids.items() if there.get(name) != found]:
        _pipe(["docker", "save", *wanted], ["docker", "exec", "--interactive", node, *_IMPORT])


_IMPORT = ("ctr", "--namespace=k8s.io", "images", "import", "--digests", "--snapshotter=overlayfs", "-")


def _there(node: str) -> dict[str, str]:
    """Return the ids of the node's images by their names, as Docker writes both."""
    listed = json.loads(docker("exec", node, "crictl", "images", "--output=json"))
    return {
        tag.removeprefix("docker.io/library/").removeprefix("docker.io/"): image["id"]
        for image in listed["images"]
        for tag in image["repoTags"]
    }


def _pipe(source: list[str], sink: list[str]) -> None:
    with subprocess.Popen(source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as first:
        done = subprocess.run(sink, stdin=first.stdout, capture_output=True, text=True, check=False)
        errors = first.stderr.read().decode(errors="replace") if first.stderr else ""
    if first.returncode != 0 or done.returncode != 0:
        raise CommandFailed(f"images could not be brought into the node: {errors or done.stderr}".strip())
