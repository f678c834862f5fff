"""A partner's own tests of a template: what is rendered is compared with what was rendered before.

A folder has a folder for each case, with `case.yaml` and `expected.yaml`:

    app: ../../app.yaml          # the TalkdeskApp, from the folder of the case
    sample: trial                # a made-up customer, or `installation: FILE`
    values: {memory: 8Gi}        # of the customer's TalkdeskTenant, if there are any

Belongs here: reading cases, comparing. Does not belong here: rendering.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from talkdesk_operator.cli.documents import UnusableFile, read_app, read_map
from talkdesk_operator.cli.offline import CannotRender, customer_of, rendering, usable
from talkdesk_operator.cli.printing import tenant_as_yaml
from talkdesk_operator.cli.samples import SAMPLES

__all__ = ["Case", "cases_in"]

_CASE: Final = "case.yaml"
_EXPECTED: Final = "expected.yaml"
_MEMBERS: Final = ("app", "sample", "installation", "values")


@dataclass(frozen=True, slots=True)
class Case:
    """One case: a customer, and what the app's template makes of it."""

    folder: Path
    app: str
    sample: str
    installation: str
    values: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a case. Raises UnusableFile."""
        path = folder / _CASE
        raw = read_map(path)
        if unknown := sorted(set(raw) - {*_MEMBERS}):
            raise UnusableFile(f"{path}: no such member: {', '.join(unknown)} (there are {', '.join(_MEMBERS)})")
        texts = {name: raw.get(name) or "" for name in ("app", "sample", "installation")}
        wrong = [name for name, value in texts.items() if not isinstance(value, str)]
        values = raw.get("values") or {}
        if wrong or not isinstance(values, dict):
            raise UnusableFile(f"{path}: {', '.join(wrong) or 'values'}: is not of the right type")
        if not texts["app"]:
            raise UnusableFile(f"{path}: app: must name the file with the TalkdeskApp")
        if bool(texts["sample"]) == bool(texts["installation"]):
            raise UnusableFile(f"{path}: either sample or installation says which customer")
        if texts["sample"] and texts["sample"] not in SAMPLES:
            raise UnusableFile(f"{path}: no such sample: {texts['sample']} (there are {', '.join(SAMPLES)})")
        return cls(folder, values=values, **texts)

    def rendered(self) -> str:
        """Return what is rendered, an error of the template included. Raises UnusableFile."""
        app = read_app(self.folder / self.app)
        try:
            compiled = usable(app)
            file = self.folder / self.installation if self.installation else None
            found = rendering(compiled, customer_of(compiled, self.sample, file), self.values)
        except CannotRender as error:
            return f"# error: {error}\n"
        # The credentials are made-up ones, and all else that is secret here stands in the template.
        return tenant_as_yaml(found.tenant, found.state, show_secrets=True)

    def difference(self) -> str:
        """Return a unified diff of what is expected and what is rendered; empty when they are the same."""
        path = self.folder / _EXPECTED
        expected = path.read_text(encoding="utf-8") if path.is_file() else ""
        then, now = (text.splitlines(keepends=True) for text in (expected, self.rendered()))
        return "".join(difflib.unified_diff(then, now, fromfile=str(path), tofile="rendered now"))

    def update(self) -> None:
        """Write what is rendered as what is expected."""
        (self.folder / _EXPECTED).write_text(self.rendered(), encoding="utf-8")


def cases_in(folder: Path) -> Iterator[Case]:
    """Yield all cases below a folder, sorted. Raises UnusableFile for one that is no good, or where there is none."""
    found = sorted(path.parent for path in folder.rglob(_CASE))
    if not found:
        raise UnusableFile(f"{folder}: has no folder with a {_CASE}")
    yield from map(Case.read, found)
