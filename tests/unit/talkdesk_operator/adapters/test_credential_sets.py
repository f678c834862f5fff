from typing import Any

import pytest

from talkdesk_crds.installation import InstallationSpec
from talkdesk_operator.adapters.credential_sets import ended_sets


def spec(**registers: Any) -> InstallationSpec:
    ids = {"appRef": {"name": "sentiment"}, "installationId": "i1", "accountId": "a1"}
    return InstallationSpec.model_validate(ids | registers)


def secret(name: str, issued_at: str | None = None) -> dict[str, Any]:
    annotations = {} if issued_at is None else {"annotations": {"appconnect.talkdesk.dev/issued-at": issued_at}}
    return {"metadata": {"name": name, **annotations}}


UNINSTALL = {"type": "Uninstall", "eventId": "e2", "requestedAt": "2026-03-01T12:00:00Z"}
CREDENTIALS = {"secretName": "present", "eventId": "e1", "issuedAt": "2026-02-01T12:00:00Z"}


def test_all_sets_of_the_installation_that_ended_go_once() -> None:
    secrets = [secret("before", "2026-01-01T12:00:00Z"), secret("present", "2026-02-01T12:00:00Z")]
    assert ended_sets(spec(request=UNINSTALL, credentials=CREDENTIALS), secrets) == ("present", "before")


def test_a_set_that_the_next_installation_of_the_same_id_brings_stays() -> None:
    secrets = [secret("present", "2026-02-01T12:00:00Z"), secret("next", "2026-03-01T12:00:00.001Z")]
    assert ended_sets(spec(request=UNINSTALL, credentials=CREDENTIALS), secrets) == ("present",)


def test_a_set_that_came_between_install_and_uninstall_goes_although_no_register_names_it() -> None:
    assert ended_sets(spec(request=UNINSTALL), [secret("orphan", "2026-02-03T12:00:00Z")]) == ("orphan",)


def test_the_named_secret_goes_without_our_label() -> None:
    assert ended_sets(spec(credentials=CREDENTIALS), []) == ("present",)


@pytest.mark.parametrize("moment", [None, "yesterday", "2026-02-03T12:00:00"], ids=["none", "no date", "no zone"])
def test_a_set_of_unknown_age_was_stored_by_hand_and_goes(moment: str | None) -> None:
    assert ended_sets(spec(request=UNINSTALL), [secret("by-hand", moment)]) == ("by-hand",)


def test_where_no_event_is_known_no_set_of_an_event_goes() -> None:
    assert ended_sets(spec(), [secret("somebody-elses", "2026-02-03T12:00:00Z")]) == ()
