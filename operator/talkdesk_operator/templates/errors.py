"""What can be wrong with a template.

    TemplateError    wrong for every account: found when the template is compiled
    RenderError      wrong for one account: found when the template is rendered

Belongs here: the two errors, and how a path in a template is written. Messages name leaves and keys, never values of
`credentials`. Does not belong here: errors of CEL itself (`cel`), which become one of these with the leaf's path.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Problem", "RenderError", "TemplateError", "child"]

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem, and the path of its leaf: `steps[base].manifests[3].data.key`."""

    path: str
    reason: str

    @property
    def message(self) -> str:
        """The path and the reason in one line."""
        return f"{self.path}: {self.reason}"


class TemplateError(ValueError):
    """A template is wrong for every account. Contains all problems that were found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


class RenderError(ValueError):
    """A template cannot be rendered for one account."""

    def __init__(self, path: str, reason: str, *, exhausted: bool = False, passing: bool = False) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
        self.exhausted = exhausted
        """Whether it met a limit of time or memory, which says nothing of whose fault it is."""
        self.passing = passing
        """Whether it comes from the machine alone, so that the same may work the next time."""


def child(path: str, key: str | int) -> str:
    """Return the path of an element or a key below `path`; a key with special characters is quoted."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if _PLAIN_KEY.fullmatch(key) else f'{path}["{key}"]'
