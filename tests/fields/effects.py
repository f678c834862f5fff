"""What a change may do, and what it has to: one kind of expectation for each way in which a field counts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from fields.look import Look
from fields.values import Value

__all__ = ["MENDED", "NOTHING", "REFUSED", "Case", "Effect", "Said", "ends", "objects", "refused", "said", "state"]

_BOOKKEEPING: Final = re.compile(
    r"\.status\.(appliedInputs|verifiedAccess|deletionPolicies\.fingerprint"
    r"|revision|currentRevision|updatedRevision|rollout\.wave(\[\d+\])?|conditions\.RolledOut)$"
)
"""Fingerprints of what was read or applied last, and how far the revision of a template is."""
_STATUS: Final = re.compile(r"(^|: )Talkdesk(App|Installation|Tenant)\.status\.")
_LASTS: Final = re.compile(r"\.metadata\.uid$|: credentials |: Talkdesk$|: SCIM$|\.deletionTimestamp$")
"""What no change may touch, unless that is what the field means."""


@dataclass(frozen=True)
class Said:
    """A condition that must be shown."""

    kind: str
    type: str
    words: str
    """Regular expression for `STATUS REASON: message`."""

    def missing(self, after: Look, whose: Sequence[str]) -> Iterator[str]:
        """Yield what is wrong."""
        prefixes = [""] if self.kind == "TalkdeskApp" else [f"{each}: " for each in whose]
        for prefix in prefixes:
            path = f"{prefix}{self.kind}.status.conditions.{self.type}"
            if not re.search(self.words, after.get(path, "absent")):
                yield f"{path} is {after.get(path, 'absent')!r}, which does not say {self.words!r}"


@dataclass(frozen=True)
class Effect:
    """What a value of a field does once it was taken."""

    refused: str = ""
    """It isn't taken; a regular expression for what the API server says beside the name of the field."""
    says: tuple[Said, ...] = ()
    changes: str = ""
    """Regular expression for paths of a look that change; one at least must."""
    may: str = ""
    """Regular expression for paths that change for some values and not for others."""
    mends: bool = False
    """The operator puts it back by itself."""
    leaves: str = ""
    """Regular expression for paths that are not as before when the change is undone, as the field means it."""
    ends: bool = False
    """It means an act that can't be taken back, so it is tried with a customer of its own."""

    def judge(self, before: Look, after: Look, own: str, whose: Sequence[str]) -> Iterator[str]:
        """Yield what is not as it should be; `own` begins the paths of the spec that was changed."""
        for each in self.says:
            yield from each.missing(after, whose)
        changed = {
            path: f"{path}: {before.get(path, 'absent')} -> {after.get(path, 'absent')}"
            for path in sorted(before.keys() | after.keys())
            if before.get(path) != after.get(path) and not _BOOKKEEPING.search(path)
        }
        if not self.mends:
            outside = (path for path in changed if not (path.startswith(own) or own.startswith(f"{path}.")))
            changed = {path: changed[path] for path in outside}
        meant = {path for path in changed if self.changes and re.search(self.changes, path)}
        if self.changes and not meant:
            yield f"nothing changed of {self.changes!r}"
        if self.may:
            meant |= {path for path in changed if re.search(self.may, path)}
        for path, line in changed.items():
            concerned = path.startswith("TalkdeskApp.") or any(path.startswith(f"{each}: ") for each in whose)
            allowed = concerned and bool(self.says) and _STATUS.search(path) and not _LASTS.search(path)
            if path not in meant and not allowed:
                yield line


NOTHING: Final = Effect()
"""It is taken, and nothing of what is there changes: it counts later, or for others."""
REFUSED: Final = Effect(refused=".")
"""The API server refuses it, in words that name the field."""


def refused(words: str) -> Effect:
    """Return that the API server refuses it in these words."""
    return Effect(refused=words)


def said(*says: Said, changes: str = "") -> Effect:
    """Return that conditions say what is wrong, and nothing of the customer's changes beside `changes`."""
    return Effect(says=says, changes=changes)


def objects(paths: str) -> Effect:
    """Return that tenants' objects change, and nothing else."""
    return Effect(changes=rf"({paths})|\.status\.inventory\[[^]]+\]\.appliedFields$")


def state(paths: str) -> Effect:
    """Return that something of the status changes, and nothing else."""
    return Effect(changes=rf"\.status\.({paths})")


def ends(effect: Effect) -> Effect:
    """Return the same effect, which can't be taken back."""
    return replace(effect, ends=True)


MENDED: Final = Effect(mends=True)
"""The operator puts it back."""


@dataclass(frozen=True)
class Case:
    """What is expected of a field."""

    taken: Effect = NOTHING
    """Of each value that the API server takes, and that is not named below."""
    by_value: Mapping[str, Effect] = field(default_factory=dict)
    """By the names of values (`values`)."""
    further: Mapping[str, tuple[Any, Effect]] = field(default_factory=dict)
    """Further values, which no schema tells of."""

    def effect(self, value: Value) -> Effect:
        """Return what is expected of a value."""
        if value.name in self.further:
            return self.further[value.name][1]
        return self.by_value.get(value.name, self.taken)

    @property
    def given(self) -> list[Value]:
        """The further values."""
        return [Value(name, content) for name, (content, _) in self.further.items()]

    @property
    def special(self) -> frozenset[str]:
        """Names of the values of which something else is expected than of the rest."""
        return frozenset((*self.by_value, *self.further))
