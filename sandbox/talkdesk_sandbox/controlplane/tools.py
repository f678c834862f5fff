"""Where a further program is that tests use: one that the environment names, the cache, or the compiler.

Belongs here: the order of the search. Does not belong here: how it is compiled (`build`), what is done with it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from talkdesk_sandbox.controlplane.build import Product, Recipe, build
from talkdesk_sandbox.controlplane.errors import ProgramsUnavailable
from talkdesk_sandbox.controlplane.programs import cache

__all__ = ["OAUTH2_PROXY", "Tool", "find_tool"]

_MODULES: Final = Path(__file__).parents[2]
"""A checkout has the Go modules, a wheel does not."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that is the one tool of a Go module."""

    program: str
    """Its name; that of the module's folder and of its place in the cache, too."""
    product: Product
    variable: str
    """What names another program in the environment."""
    called: str
    """What a person would call it, such as "a Helm 4"."""

    @property
    def module(self) -> Path:
        """The Go module that names it and pins its version."""
        return _MODULES / self.program


OAUTH2_PROXY: Final = Tool(
    program="oauth2-proxy",
    product=Product(
        label="oauth2-proxy {version}",
        pinned="github.com/oauth2-proxy/oauth2-proxy/v7",
        stamps=lambda version: {"github.com/oauth2-proxy/oauth2-proxy/v7/pkg/version.VERSION": version},
        instead="or set OAUTH2_PROXY to the path of an oauth2-proxy 7",
    ),
    variable="OAUTH2_PROXY",
    called="an oauth2-proxy 7",
)


def find_tool(tool: Tool, environment: Mapping[str, str] = os.environ, module: Path | None = None) -> Path:
    """Return the program that the environment names, or that in the cache, or compile it.

    Compiling takes minutes; progress is reported. Raises ProgramsUnavailable when none of the three is possible,
    BuildFailed when the compiler fails.
    """
    source, name = module or tool.module, tool.product.label.partition(" ")[0]
    if given := environment.get(tool.variable):
        if not (Path(given).is_file() and os.access(given, os.X_OK)):
            raise ProgramsUnavailable(
                f"{tool.variable}={given} is not a program: set it to the path of {tool.called}, or unset it"
            )
        return Path(given).absolute()
    if not (source / "go.mod").is_file():
        raise ProgramsUnavailable(
            f"an installed package has no Go module to compile {name}: set {tool.variable} to the path of "
            f"{tool.called}, or use a checkout"
        )
    recipe = Recipe.read(tool.product, source)
    folder = cache(environment) / tool.program / recipe.key
    if not folder.is_dir():
        build(recipe, folder, environment)
    return folder / tool.program
