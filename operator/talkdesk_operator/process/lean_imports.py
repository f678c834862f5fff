"""Imports that the operator is spared: libraries bring them along, nothing here uses them, and they take 20 MB.

Belongs here: what is not to be imported. Does not belong here: importing anything.

It has to happen before the libraries are imported, so `__main__` does it first of all, and nobody else: to import this
package changes nothing. Where a name is not installed, or was imported before, nothing is done.
"""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from typing import Final

__all__ = ["install_import_stubs"]

_SHELLS: Final = ("kubernetes", "kubernetes.aio")
"""Packages that import all their parts, down to a second HTTP stack for the client that waits. The few parts that are
used import what they need, so the packages stay empty."""
_COMMAND_LINES: Final = ("cel.cli",)
"""Modules that a library imports with itself and only its own command needs; this one brings editors and colours."""
_OPTIONAL: Final = ("rich",)
"""What libraries use when it is there: structlog and httpx, for colours."""


def install_import_stubs() -> None:
    """Put empty modules in the places of those above; the optional ones are as if they were not installed."""
    for name in _SHELLS:
        if name not in sys.modules and (spec := find_spec(name)) is not None:
            _put(name, spec)
    for name in _COMMAND_LINES:
        if name.partition(".")[0] not in sys.modules:
            _put(name, ModuleSpec(name, None))
    for name in _OPTIONAL:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None is Python's own word for "can't be imported"


def _put(name: str, spec: ModuleSpec) -> None:
    module = sys.modules[name] = module_from_spec(spec)
    parent, _, own = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], own, module)
