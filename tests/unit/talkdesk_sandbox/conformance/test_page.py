"""The page for partners has all checks."""

from pathlib import Path

from talkdesk_sandbox.conformance import CHECKS, report

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "test-your-service.md"


def test_the_page_has_the_table_of_all_checks() -> None:
    assert report.table(CHECKS) in PAGE.read_text(encoding="utf-8")
