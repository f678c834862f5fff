"""Which stored sets of credentials end, were replaced, or may still be tried."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import InstallationSpec
from talkdesk_crds.names import GROUP
from talkdesk_operator.adapters.kubernetes.credential_sets import ended_versions, previous_versions, replaced_versions

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


def test_all_sets_of_the_installation_that_ended_go_once() -> None:
    secrets = [secret("before", "2026-01-01T12:00:00Z"), secret("present", "2026-02-01T12:00:00Z")]
    assert ended_versions(spec(request=UNINSTALL, credentials=CREDENTIALS), secrets) == ("present", "before")


def test_a_set_that_the_next_installation_of_the_same_id_brings_stays() -> None:
    secrets = [secret("present", "2026-02-01T12:00:00Z"), secret("next", "2026-03-01T12:00:00.001Z")]
    assert ended_versions(spec(request=UNINSTALL, credentials=CREDENTIALS), secrets) == ("present",)


def test_a_set_that_came_between_install_and_uninstall_goes_although_no_register_names_it() -> None:
    assert ended_versions(spec(request=UNINSTALL), [secret("orphan", "2026-02-03T12:00:00Z")]) == ("orphan",)


def test_the_named_secret_goes_without_our_label() -> None:
    assert ended_versions(spec(credentials=CREDENTIALS), []) == ("present",)


@pytest.mark.parametrize("moment", [None, "yesterday", "2026-02-03T12:00:00"], ids=["none", "no date", "no zone"])
def test_a_set_of_unknown_age_was_stored_by_hand_and_goes(moment: str | None) -> None:
    assert ended_versions(spec(request=UNINSTALL), [secret("by-hand", moment)]) == ("by-hand",)


def test_where_no_event_is_known_no_set_of_an_event_goes() -> None:
    assert ended_versions(spec(), [secret("somebody-elses", "2026-02-03T12:00:00Z")]) == ()


def made(name: str, event_time: str | None, created_at: datetime) -> dict[str, Any]:
    """A Secret's metadata with the moment of its creation."""
    metadata = secret(name, event_time)["metadata"]
    return {"metadata": metadata | {"creationTimestamp": to_wire_time(created_at)}}


@pytest.mark.case(24)
def test_other_sets_are_all_but_the_named_one_and_the_newest_is_tried_first() -> None:
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
def test_older_sets_are_replaced_by_the_named_one_and_newer_ones_are_not() -> None:
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
def test_a_set_of_the_same_instant_has_lost_when_an_hour_has_passed(age: timedelta, *, lost: bool) -> None:
    twin = made("twin", CREDENTIALS["eventTime"], NOW - age)
    assert replaced_versions(spec(credentials=CREDENTIALS), [twin], NOW) == (("twin",) if lost else ())


def test_where_no_set_is_named_none_was_replaced() -> None:
    assert replaced_versions(spec(), [made("orphan", "2026-01-01T12:00:00Z", NOW - 9 * HOUR)], NOW) == ()
