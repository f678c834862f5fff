"""docs/reference says what the code shows, and each log event is named as all are and explained."""

import re
import tomllib

from generators.reference import MEANINGS, log_events, reference
from generators.written import REFERENCE

NAME = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*)+")


def test_the_reference_is_fresh() -> None:
    # `make docs` writes it anew.
    assert {path.stem: path.read_text(encoding="utf-8") for path in REFERENCE.iterdir()} == reference()


def test_a_log_event_has_a_short_dotted_name() -> None:
    assert [name for _, name, _, _ in log_events() if NAME.fullmatch(name) is None] == []


def test_every_log_event_is_explained_and_no_other() -> None:
    explained = tomllib.loads(MEANINGS.read_text(encoding="utf-8"))
    assert set(explained) == {name for _, name, _, _ in log_events()}
