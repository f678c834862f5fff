"""Helm, which is found as every tool is.

Belongs here: which Helm, and where its Go module is. Does not belong here: the order of the search (`tools`).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from talkdesk_sandbox.controlplane.build import Product
from talkdesk_sandbox.controlplane.tools import Tool, find_tool

__all__ = ["HELM", "HELM_MODULE", "find_helm"]

HELM: Final = Product(
    label="Helm {version}",
    pinned="helm.sh/helm/v4",
    stamps=lambda version: {"helm.sh/helm/v4/internal/version.version": version},
    instead="or set HELM to the path of a Helm 4",
)
_TOOL: Final = Tool(program="helm", product=HELM, variable="HELM", called="a Helm 4")

HELM_MODULE: Final = _TOOL.module
"""The Go module that names Helm and pins its version. A checkout has it, a wheel does not."""


def find_helm(environment: Mapping[str, str] = os.environ, module: Path = HELM_MODULE) -> Path:
    """Return Helm, as `find_tool` says, and raise what it raises."""
    return find_tool(_TOOL, environment, module)
