"""What is allowed in a template, and most likely not meant.

Belongs here: texts that look like another language of templates, fields that nobody sets, Jobs that go too
soon. Does not belong here: what is refused (`template`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from talkdesk_operator.templates.errors import Problem, child
from talkdesk_operator.templates.ignored_fields import idle_pointers

__all__ = ["fleeting_job", "foreign_expressions", "idle_ignored_fields"]

_SEEN_AFTER: Final = 600
"""Seconds in which the operator, or the next leader, sees that a Job is complete, whatever it waits for."""
_FOREIGN: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def foreign_expressions(tree: object, path: str) -> Iterator[Problem]:
    """Yield each text of a manifest with `{{ }}`, which stays as it is: expressions are written `${ }`."""
    match tree:
        case str() if found := _FOREIGN.search(_without_expressions(tree)):
            yield Problem(path, f"{found[0][:40]} stays as it is: an expression is written ${{ }}")
        case Mapping():
            for key, value in tree.items():
                yield from foreign_expressions(value, child(path, str(key)))
        case list() | tuple():
            for index, value in enumerate(tree):
                yield from foreign_expressions(value, child(path, index))
        case _:
            return


def _without_expressions(text: str) -> str:
    # A map literal in an expression may begin or end with two braces: `${{'a': 1}.a}`.
    return text.replace("${{", "${ {")


def idle_ignored_fields(manifest: Mapping[str, object], path: str) -> Iterator[Problem]:
    """Yield each field that a manifest leaves to others and does not set: most likely it is misspelled."""
    for pointer in idle_pointers(manifest):
        yield Problem(path, f"{pointer[:64]} is left to others, and nothing in the manifest sets it")


def fleeting_job(manifest: Mapping[str, object], path: str) -> Iterator[Problem]:
    """Yield that a Job is deleted so soon that nobody may have seen it complete: it would run again."""
    spec = manifest.get("spec")
    seconds = spec.get("ttlSecondsAfterFinished") if isinstance(spec, Mapping) else None
    is_job = str(manifest.get("apiVersion")).startswith("batch/") and manifest.get("kind") == "Job"
    if is_job and isinstance(seconds, int) and seconds < _SEEN_AFTER:
        where = child(child(path, "spec"), "ttlSecondsAfterFinished")
        reason = (
            f"a Job that is gone before the operator has seen it complete runs again: give it {_SEEN_AFTER} or more"
        )
        yield Problem(where, reason)
