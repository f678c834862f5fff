"""The page on notifications names what there is, and its example is what the operator makes."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import yaml

from builders.objects import app, app_object, installation
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.app_notifications import NotificationType
from talkdesk_crds.notifications import MAX_PENDING, Notification
from talkdesk_operator.adapters.notifications.sender import _structured
from talkdesk_operator.domain.notifications.envelope import TYPE_PREFIX, envelope
from talkdesk_operator.domain.notifications.outbox import _BACKOFF, LONGEST_WAIT

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "notifications.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_table_has_each_type_in_the_order_of_the_kind() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)[: len(NotificationType)] == [
        str(t) for t in NotificationType
    ]


def test_the_example_of_an_app_is_one() -> None:
    [example] = blocks("yaml")
    raw = app_object(**yaml.safe_load(example))
    named = TalkdeskApp.model_validate(raw).spec.notifications
    assert [each.name for each in named] == ["crm", "on-call"]


def test_the_example_of_an_event_is_what_the_operator_makes() -> None:
    [text] = blocks("json")
    shown = json.loads(text)
    data = shown["data"]
    told = Notification(
        id=shown["id"],
        sequence=int(shown["sequence"]),
        type=NotificationType(shown["type"].removeprefix(f"{TYPE_PREFIX}.")),
        time=datetime.fromisoformat(shown["time"]),
        queue_time=datetime(2026, 12, 1, tzinfo=UTC),
        phase=data["phase"],
        reason=data["reason"],
        message=data["message"],
        request_type=data["request"]["type"],
        request_id=data["request"]["eventId"],
        account_name=data["account"]["name"],
        company_name=data["account"]["companyName"],
        plan=data["subscription"]["name"],
    )
    sold = app(data["app"]["name"], appId=data["app"]["id"])
    sold = sold.model_copy(
        update={"metadata": sold.metadata.model_copy(update={"namespace": data["app"]["namespace"]})}
    )
    known = installation(installationId=data["installation"]["id"], accountId=data["account"]["id"])
    named = known.metadata.model_copy(update={"name": data["installation"]["name"]})
    media_type, made = _structured(envelope(sold, known.model_copy(update={"metadata": named}), told))
    assert json.loads(made) == shown
    assert f"Content-Type: {media_type}" in PAGE


def test_the_times_of_the_back_off_are_those_of_the_operator() -> None:
    assert f"after at most {_BACKOFF.first.total_seconds():.0f} seconds" in PAGE
    assert f"up to {_BACKOFF.longest.total_seconds() / 60:.0f} minutes" in PAGE
    assert LONGEST_WAIT.total_seconds() == 3600, "up to an hour"
    assert f"more than {MAX_PENDING} waited" in PAGE
