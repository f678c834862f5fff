"""Each alert has a page of its own, and its `runbook_url` leads there."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "operations" / "alerts"
SITE_URL = re.search(r"^site_url: (\S+)", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)


def alerts() -> list[dict[str, Any]]:
    manifest = yaml.safe_load((ROOT / "manifests" / "monitoring" / "alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in manifest["spec"]["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_the_runbook_of_an_alert_is_its_page(alert: dict[str, Any]) -> None:
    assert SITE_URL is not None
    url = alert["annotations"]["runbook_url"]
    assert url.startswith(SITE_URL[1])
    page = ROOT / "docs" / f"{urlsplit(url).path.strip('/')}.md"
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {alert['alert']}\n")
    assert "**Means:**" in text
    assert "**Look:**" in text


def test_there_is_no_page_of_an_alert_that_is_gone_and_the_list_names_all() -> None:
    titles = {path.read_text(encoding="utf-8").partition("\n")[0][2:] for path in PAGES.glob("talkdesk-*.md")}
    assert titles == {alert["alert"] for alert in alerts()}
    listed = re.findall(r"\[(\w+)\]\([\w-]+\.md\) \| (\w+)", (PAGES / "index.md").read_text(encoding="utf-8"))
    assert dict(listed) == {alert["alert"]: alert["labels"]["severity"] for alert in alerts()}
