"""The repository's own manifests, and the one thing that the demonstration changes in them.

Belongs here: where they are, and the patch. Does not belong here: applying them (`environment`).
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from talkdesk_sandbox.controlplane import Cluster

__all__ = ["EXAMPLE", "OVERLAY", "USERS", "Example", "write_overlay"]

_MANIFESTS: Final = Path(__file__).parents[3] / "manifests"

OVERLAY: Final = _MANIFESTS / "overlays" / "controlplane"
"""Kinds and rights as in the base, but no pods."""

EXAMPLE: Final = _MANIFESTS / "examples" / "sentiment"
"""An app and all that its namespace needs."""

USERS: Final = _MANIFESTS / "components" / "app-records"
"""What that app also needs to sync users to a SCIM service."""


@dataclass(frozen=True, slots=True)
class Example:
    """The example's TalkdeskApp."""

    namespace: str
    name: str
    app_id: str

    @classmethod
    def read(cls, cluster: Cluster) -> Self:
        """Read the one TalkdeskApp that there is."""
        (app,) = json.loads(cluster.kubectl("get", "talkdeskapps", "--all-namespaces", "--output=json"))["items"]
        return cls(app["metadata"]["namespace"], app["metadata"]["name"], app["spec"]["appId"])


def write_overlay(simulator: str, folder: Path) -> Path:
    """Write a kustomization of the example whose app uses a simulator instead of a region; return its folder."""
    folder.mkdir()
    endpoints = {
        "api": simulator,
        "token": f"{simulator}/accounts/{{account}}/oauth/token",
        "allowInsecure": True,
    }
    patch = [
        {"op": "remove", "path": "/spec/region"},
        {"op": "add", "path": "/spec/endpoints", "value": endpoints},
    ]
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        # kustomize takes no absolute paths.
        "resources": [os.path.relpath(EXAMPLE, folder.resolve())],
        "components": [os.path.relpath(USERS, folder.resolve())],
        "patches": [{"target": {"kind": "TalkdeskApp"}, "patch": json.dumps(patch)}],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization, indent=2))
    return folder
