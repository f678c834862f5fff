"""The programs kind and kubectl, compiled from pinned Go modules, once per machine and version.

Belongs here: which, and where they are looked for. Does not belong here: compiling (`controlplane.build`), and the
node's own programs (`sandbox/kind/build-node-image`).
"""

import os
from pathlib import Path
from typing import Final

from talkdesk_sandbox.controlplane.build import Product, Recipe, build
from talkdesk_sandbox.controlplane.errors import ControlPlaneError
from talkdesk_sandbox.controlplane.programs import cached_programs, stamps
from talkdesk_sandbox.kind.checkout import CACHE, CONTROLPLANE, SCRIPTS
from talkdesk_sandbox.kind.errors import ToolUnavailable

__all__ = ["KIND_MODULE", "kind_program", "kubectl_program"]

KIND_MODULE: Final = SCRIPTS / "modules" / "kind"
"""The Go module that pins kind."""

_KIND: Final = Product(
    label="kind {version}", pinned="sigs.k8s.io/kind", stamps=lambda _: {}, instead="or use `make demo`, without kind"
)
_KUBECTL: Final = Product(
    label="kubectl {version}",
    pinned="k8s.io/kubernetes",
    stamps=stamps,
    instead="or set KUBEBUILDER_ASSETS to a folder with kubectl",
    packages=("k8s.io/kubernetes/cmd/kubectl",),
)


def kind_program() -> Path:
    """Return the path of kind. Raises ToolUnavailable."""
    return _compiled(_KIND, KIND_MODULE) / "kind"


def kubectl_program() -> Path:
    """Return the path of kubectl, of the local control plane if there is one. Raises ToolUnavailable."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        return Path(assets, "kubectl")
    if (programs := cached_programs()) is not None:
        return programs.kubectl
    return _compiled(_KUBECTL, CONTROLPLANE) / "kubectl"


def _compiled(product: Product, module: Path) -> Path:
    try:
        recipe = Recipe.read(product, module)
        folder = CACHE / "tools" / f"{product.label.split()[0]}-{recipe.key}"
        if not folder.is_dir():
            build(recipe, folder)
    except ControlPlaneError as error:
        raise ToolUnavailable(str(error)) from None
    return folder
