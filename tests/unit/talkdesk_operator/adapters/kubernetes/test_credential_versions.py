"""Which stored credential versions end, were replaced, or may still be tried."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import InstallationSpec
from talkdesk_crds.names import GROUP
from talkdesk_operator.adapters.kubernetes.credential_versions import (
    ended_versions,
    previous_versions,
    replaced_versions,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def spec(**registers: Any) -> InstallationSpec:
    ids = {"appRef": {"name": "sentiment"}, "installationId": "i1", "accountId": "a1"}
    return InstallationSpec.model_validate(ids | registers)


def secret(name: str, event_time: str | None = None) -> dict[str, Any]:
    annotations = {} if event_time is None else {"annotations": {f"{GROUP}/event-time": event_time}}
    return {"metadata": {"name": name, **annotations}}


UNINSTALL = {"type": "Uninstall", "eventId": "e2", "eventTime": "2026-03-01T12:00:00Z"}
CREDENTIALS = {"secretName": "present", "eventId": "e1", "eventTime": "2026-02-01T12:00:00Z"}


def test_all_versions_of_an_ended_installation_are_deleted_once() -> None:
    secrets = [secret("before", "2026-01-01T12:00:00Z"), secret("present", "2026-02-01T12:00:00Z")]
    assert ended_versions(spec(request=UNINSTALL, credentials=CREDENTIALS), secrets) == ("before", "present")


def test_a_version_that_the_next_installation_of_the_same_id_brings_stays() -> None:
    secrets = [secret("present", "2026-02-01T12:00:00Z"), secret("next", "2026-03-01T12:00:00.001Z")]
    assert ended_versions(spec(request=UNINSTALL, credentials=CREDENTIALS), secrets) == ("present",)


def test_a_version_that_no_register_names_is_deleted_with_the_installation() -> None:
    assert ended_versions(spec(request=UNINSTALL), [secret("orphan", "2026-02-03T12:00:00Z")]) == ("orphan",)


def test_the_named_version_is_deleted_even_if_its_mark_is_newer_than_the_spec() -> None:
    secrets = [secret("present", "2026-03-09T12:00:00Z")]
    assert ended_versions(spec(request=UNINSTALL, credentials=CREDENTIALS), secrets) == ("present",)


@pytest.mark.case(43)
def test_a_named_secret_that_is_not_the_installations_own_is_not_deleted() -> None:
    assert ended_versions(spec(credentials=CREDENTIALS), []) == ()


@pytest.mark.parametrize("moment", [None, "yesterday", "2026-02-03T12:00:00"], ids=["none", "no date", "no zone"])
def test_a_version_of_unknown_age_was_stored_by_hand_and_is_deleted(moment: str | None) -> None:
    assert ended_versions(spec(request=UNINSTALL), [secret("by-hand", moment)]) == ("by-hand",)


def test_without_a_known_event_no_version_of_an_event_is_deleted() -> None:
    assert ended_versions(spec(), [secret("somebody-elses", "2026-02-03T12:00:00Z")]) == ()


def made(name: str, event_time: str | None, created_at: datetime) -> dict[str, Any]:
    """A Secret's metadata with the moment of its creation."""
    metadata = secret(name, event_time)["metadata"]
    return {"metadata": metadata | {"creationTimestamp": to_wire_time(created_at)}}


@pytest.mark.case(24)
def test_previous_versions_are_all_but_the_named_one_newest_first() -> None:
    secrets = [
        secret("by-hand"),
        secret("older", "2026-01-01T12:00:00Z"),
        secret("present", "2026-02-01T12:00:00Z"),
        secret("newer", "2026-03-01T12:00:00Z"),
    ]
    assert previous_versions(spec(credentials=CREDENTIALS), secrets) == ("newer", "older", "by-hand")
    assert previous_versions(spec(), secrets) == ("newer", "present", "older", "by-hand")
    assert previous_versions(spec(credentials=CREDENTIALS), []) == ()


@pytest.mark.case(20)
def test_the_named_version_replaces_older_ones_and_not_newer_ones() -> None:
    secrets = [
        made("by-hand", None, NOW),
        made("older", "2026-02-01T11:59:59Z", NOW),
        made("present", "2026-02-01T12:00:00Z", NOW),
        made("newer", "2026-02-01T12:00:01Z", NOW - 9 * HOUR),
    ]
    assert replaced_versions(spec(credentials=CREDENTIALS), secrets, NOW) == ("by-hand", "older")


@pytest.mark.case(20)
@pytest.mark.parametrize(
    ("age", "lost"), [(timedelta(), False), (HOUR, False), (HOUR + timedelta(seconds=1), True), (-HOUR, False)]
)
def test_another_version_of_the_same_instant_is_replaced_after_an_hour(age: timedelta, *, lost: bool) -> None:
    twin = made("twin", CREDENTIALS["eventTime"], NOW - age)
    assert replaced_versions(spec(credentials=CREDENTIALS), [twin], NOW) == (("twin",) if lost else ())


@pytest.mark.case(20)
@pytest.mark.parametrize(
    ("origin", "event", "known_origin", "lost"),
    [
        ("Install", "e9", "Rotation", True),
        ("Rotation", "e0", "Install", False),
        ("Rotation", "e0", None, False),
        ("Rotation", "e0", "Rotation", True),
        ("Rotation", "e9", "Rotation", False),
        ("Install", "e0", None, True),
        ("Install", "e1", "Install", True),
        ("Install", "e9", "Install", False),
    ],
)
def test_another_version_of_the_same_instant_that_the_register_would_not_take_is_replaced_at_once(
    origin: str, event: str, known_origin: str | None, *, lost: bool
) -> None:
    twin = made("twin", CREDENTIALS["eventTime"], NOW)
    twin["metadata"]["annotations"] |= {f"{GROUP}/event-id": event, f"{GROUP}/origin": origin}
    known = CREDENTIALS if known_origin is None else CREDENTIALS | {"origin": known_origin}
    assert replaced_versions(spec(credentials=known), [twin], NOW) == (("twin",) if lost else ())
    much_later = NOW + HOUR + timedelta(seconds=1)
    assert replaced_versions(spec(credentials=known), [twin], much_later) == ("twin",)


def test_without_a_named_version_none_is_replaced() -> None:
    assert replaced_versions(spec(), [made("orphan", "2026-01-01T12:00:00Z", NOW - 9 * HOUR)], NOW) == ()
