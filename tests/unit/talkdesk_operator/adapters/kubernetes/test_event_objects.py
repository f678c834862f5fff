"""How a Kubernetes Event looks, and that none is refused for being too long."""

import re
from datetime import datetime

import pytest

from builders.objects import INSTALLATION, NOON, installation, tenant
from talkdesk_operator.adapters.kubernetes.event_objects import event_of
from talkdesk_operator.domain.ports.kube_event import EventDraft

DRAFT = EventDraft(warning=False, reason="Active", message="it works", action="Install")


def test_an_event_says_what_happened_to_which_object() -> None:
    event = event_of(installation(), DRAFT, "operator-1", NOON)
    assert (event["apiVersion"], event["kind"], event["type"]) == ("events.k8s.io/v1", "Event", "Normal")
    assert (event["reason"], event["action"], event["note"]) == ("Active", "Install", "it works")
    assert event["regarding"] == {
        "apiVersion": "appconnect.talkdesk.dev/v1alpha1",
        "kind": "TalkdeskInstallation",
        "name": INSTALLATION,
        "namespace": "team",
        "uid": f"uid-{INSTALLATION}",
        "resourceVersion": "1",
    }
    assert event["reportingController"] == "appconnect.talkdesk.dev/operator"
    assert event["reportingInstance"] == "operator-1"
    assert event["metadata"]["namespace"] == "team"


def test_a_warning_is_marked_as_one() -> None:
    assert (
        event_of(tenant(), EventDraft(warning=True, reason="a", message="b", action="c"), "o", NOON)["type"]
        == "Warning"
    )


def test_an_events_time_has_microseconds_and_is_utc() -> None:
    event = event_of(installation(), DRAFT, "operator-1", NOON)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["eventTime"])
    assert datetime.fromisoformat(event["eventTime"]) == NOON


def test_two_events_about_one_object_have_different_names() -> None:
    other = EventDraft(warning=False, reason="Purged", message="it works", action="Install")
    names = {event_of(installation(), draft, "operator-1", NOON)["metadata"]["name"] for draft in (DRAFT, other)}
    assert len(names) == 2
    assert all(name.startswith(f"{INSTALLATION}.") for name in names)


@pytest.mark.parametrize(
    ("path", "limit"),
    [("reason", 128), ("action", 128), ("note", 1024), ("reportingInstance", 128), ("metadata.name", 253)],
)
def test_every_text_is_cut_to_what_the_api_server_takes(path: str, limit: int) -> None:
    long = "x" * 2000
    draft = EventDraft(warning=False, reason=long, message=long, action=long)
    value = event_of(installation("i" * 253), draft, long, NOON)
    for member in path.split("."):
        value = value[member]
    assert 200 < len(str(value)) <= limit or len(str(value)) == limit


def test_a_note_is_cut_to_the_bytes_that_the_api_server_takes() -> None:
    draft = EventDraft(warning=False, reason="Active", message="é" * 1024, action="Active")
    note = event_of(installation(), draft, "operator-1", NOON)["note"]
    assert 1020 <= len(note.encode()) <= 1024
    assert set(note) == set("é … ")


@pytest.mark.parametrize("cut_at", ["-", "."])
def test_the_name_of_an_event_about_a_long_name_is_valid(cut_at: str) -> None:
    name = event_of(installation(f"{'i' * 199}{cut_at}aaa"), DRAFT, "operator-1", NOON)["metadata"]["name"]
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", part) for part in name.split("."))
