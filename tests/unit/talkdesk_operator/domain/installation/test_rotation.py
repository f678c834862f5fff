"""A rotated credential version is acknowledged once it is proven, and previous versions are deleted after that."""

from dataclasses import replace
from typing import Any

import pytest

from builders.objects import answered, credentials_object, failure, installation, remote, scope
from talkdesk_crds.installation import CredentialsStatus, TalkdeskInstallation
from talkdesk_operator.domain.installation.rotation import decide_rotation, needs_acknowledgement
from talkdesk_operator.domain.reconcile.scope import AcknowledgementState, RemoteFailed, RemoteMissing, Scope
from talkdesk_operator.domain.reconcile.steps import Acknowledge, DeletePreviousCredentials

SECRET = "keys-2"


def rotated(*, known: CredentialsStatus | None = None, origin: str | None = "Rotation") -> TalkdeskInstallation:
    """An answered installation with a new credential version; `known` is its recorded status of credentials."""
    return installation(status=answered(credentials=known), credentials=credentials_object(SECRET, origin=origin))


def used(secret: str | None = "keys-1", acknowledged: str | None = None) -> CredentialsStatus:
    return CredentialsStatus(key_id="key-1", secret_name=secret, acknowledged_event_id=acknowledged)


def proven(**fields: Any) -> Scope:
    """A scope in which a call with the new credential version succeeded."""
    known: dict[str, Any] = {"installation": rotated(), "secret_name": SECRET, "remote": remote("completed")}
    return scope(**(known | fields))


@pytest.mark.case(20)
@pytest.mark.parametrize("known", [None, used(), used(acknowledged="rotation-0")])
def test_a_rotation_needs_an_acknowledgement_until_its_own_event_has_one(known: CredentialsStatus | None) -> None:
    assert needs_acknowledgement(proven(installation=rotated(known=known)))
    assert not needs_acknowledgement(proven(installation=rotated(known=used(SECRET, "rotation-1"))))


@pytest.mark.case(20)
@pytest.mark.parametrize("origin", ["Install", None])
def test_the_credentials_of_an_install_need_no_acknowledgement(origin: str | None) -> None:
    assert not needs_acknowledgement(proven(installation=rotated(origin=origin)))
    assert not needs_acknowledgement(proven(installation=installation(credentials=None)))


@pytest.mark.case(20, 63)
def test_a_version_is_acknowledged_once_and_then_previous_ones_are_deleted_once() -> None:
    at = proven()
    assert decide_rotation(at) == Acknowledge()
    at = replace(at, acknowledged=AcknowledgementState.DONE)
    assert decide_rotation(at) == DeletePreviousCredentials()
    assert decide_rotation(replace(at, previous_versions_deleted=True)) is None


@pytest.mark.case(20)
@pytest.mark.parametrize("unread", [None, RemoteMissing("not found"), RemoteFailed(failure())])
def test_a_version_is_acknowledged_only_after_a_call_proved_it(unread: Any) -> None:
    assert decide_rotation(proven(remote=unread)) is None


@pytest.mark.case(20, 24)
def test_nothing_is_acknowledged_or_deleted_while_a_previous_version_is_in_use() -> None:
    assert decide_rotation(proven(secret_name="keys-1")) is None
    assert decide_rotation(proven(secret_name="keys-1", resync=True)) is None
    assert decide_rotation(proven(secret_name=None)) is None


def test_without_credentials_there_is_no_step() -> None:
    assert decide_rotation(proven(installation=installation(credentials=None), secret_name=None)) is None


@pytest.mark.case(20)
def test_previous_versions_stay_until_the_acknowledgement_succeeds() -> None:
    assert decide_rotation(proven(acknowledged=AcknowledgementState.FAILED, resync=True)) is None


def test_a_version_that_replaced_another_without_a_rotation_deletes_it() -> None:
    assert decide_rotation(proven(installation=rotated(origin="Install", known=used()))) == DeletePreviousCredentials()


@pytest.mark.parametrize("known", [None, used(None), used(SECRET)])
def test_a_version_that_a_late_event_stored_is_deleted_by_a_resync(known: CredentialsStatus | None) -> None:
    at = proven(installation=rotated(origin="Install", known=known))
    assert decide_rotation(at) is None
    assert decide_rotation(replace(at, resync=True)) == DeletePreviousCredentials()


def test_an_acknowledgement_is_not_repeated_by_a_later_reconcile() -> None:
    assert decide_rotation(proven(installation=rotated(known=used(SECRET, "rotation-1")))) is None
