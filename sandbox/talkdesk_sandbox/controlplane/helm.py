"""Where Helm is: the program that `HELM` names, the cache, or the compiler.

Belongs here: the order of the search. Does not belong here: how it is compiled (`build`), or what is done with it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from talkdesk_sandbox.controlplane.build import Product, Recipe, build
from talkdesk_sandbox.controlplane.errors import ProgramsUnavailable
from talkdesk_sandbox.controlplane.programs import cache

__all__ = ["HELM", "HELM_MODULE", "find_helm"]

HELM_MODULE: Final = Path(__file__).parents[2] / "helm"
"""The Go module that names Helm and pins its version. A checkout has it, a wheel does not."""

HELM: Final = Product(
    label="Helm {version}",
    pinned="helm.sh/helm/v4",
    stamps=lambda version: {"helm.sh/helm/v4/internal/version.version": version},
    instead="or set HELM to the path of a Helm 4",
)


def find_helm(environment: Mapping[str, str] = os.environ, module: Path = HELM_MODULE) -> Path:
    """Return the program that the environment names, or that in the cache, or compile it.

    Compiling takes minutes; progress is reported. Raises ProgramsUnavailable when none of the three is possible,
    BuildFailed when the compiler fails.
    """
    if given := environment.get("HELM"):
        if not (Path(given).is_file() and os.access(given, os.X_OK)):
            raise ProgramsUnavailable(f"HELM={given} is not a program: set it to the path of a Helm 4, or unset it")
        return Path(given).absolute()
    if not (module / "go.mod").is_file():
        raise ProgramsUnavailable(
            "an installed package has no Go module to compile Helm: set HELM to the path of a Helm 4, or use a checkout"
        )
    recipe = Recipe.read(HELM, module)
    folder = cache(environment) / "helm" / recipe.key
    if not folder.is_dir():
        build(recipe, folder, environment)
    return folder / "helm"
