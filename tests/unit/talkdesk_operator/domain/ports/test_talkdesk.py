"""The port's vocabulary: states, errors, and types that show no secret."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from talkdesk_crds.hosts import HostAllowList, Region
from talkdesk_operator.domain.ports import talkdesk, talkdesk_errors
from talkdesk_operator.domain.ports.talkdesk import (
    Access,
    AuthMethod,
    Credentials,
    RemoteInstallation,
    RemoteState,
    TalkdeskError,
    TalkdeskPermanent,
    TalkdeskTransient,
    User,
    classify,
)


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("installing", RemoteState.PENDING),
        ("pending", RemoteState.PENDING),
        ("updating", RemoteState.PENDING),
        ("uninstalling", RemoteState.PENDING),
        ("completed", RemoteState.DONE),
        ("approve", RemoteState.DONE),
        ("rejected", RemoteState.REJECTED),
        ("reject", RemoteState.REJECTED),
        ("failed", RemoteState.REJECTED),
        ("timeout", RemoteState.TIMED_OUT),
        ("Timed Out", RemoteState.TIMED_OUT),
        ("suspended", RemoteState.SUSPENDED),
        ("revoked", RemoteState.REVOKED),
        (" UNINSTALLED\n", RemoteState.REVOKED),
        ("", RemoteState.UNKNOWN),
        ("archived", RemoteState.UNKNOWN),
    ],
)
def test_a_state_word_has_one_meaning(word: str, meaning: RemoteState) -> None:
    assert RemoteInstallation(id="i", state=word).classified_state is meaning


@given(st.text())
def test_every_state_word_has_a_meaning_whatever_surrounds_it(word: str) -> None:
    assert classify(word) is classify(f"\t{word}\n")
    assert isinstance(classify(word), RemoteState)


@pytest.mark.case(61)
def test_no_repr_shows_a_secret() -> None:
    credentials = Credentials(
        client_id="client",
        client_secret=SecretStr("canary-secret"),
        private_key=SecretStr("canary-key"),
        key_id="k1",
        key_algorithm="ES256",
    )
    access = Access(
        api_url="https://api.talkdeskapp.com",
        token_url="https://acme.talkdeskid.com/oauth/token",
        credentials=credentials,
        method=AuthMethod.PRIVATE_KEY_JWT,
        scopes=("apps:read",),
        region_key="app/US",
        hosts=HostAllowList.for_region(Region.US),
        holder="team/app-i1",
    )
    assert "canary" not in f"{credentials!r}{credentials}{access!r}{access}"


@pytest.mark.case(61)
def test_a_users_repr_shows_the_id_and_nothing_personal() -> None:
    user = User("u1", "canary@example.com", "canary", True, "canary", "canary", "canary")
    assert f"{user!r}{user}" == "User(id='u1', active=True)" * 2


def test_every_error_is_in_the_documented_tree_and_transient_or_permanent() -> None:
    drawn = talkdesk_errors.__doc__ or ""
    errors = [kind for kind in vars(talkdesk_errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(errors) > 10
    for kind in errors:
        assert kind.__name__ in drawn
        assert kind.__name__ in talkdesk_errors.__all__
        assert kind.__name__ in talkdesk.__all__
        assert kind is TalkdeskError or issubclass(kind, TalkdeskTransient) is not issubclass(kind, TalkdeskPermanent)


def test_an_error_has_the_requested_delay_and_the_servers_time() -> None:
    now = datetime.now(UTC)
    error = TalkdeskTransient("later", retry_after=timedelta(seconds=3), server_time=now)
    assert (str(error), error.message, error.retry_after, error.server_time) == (
        "later",
        "later",
        timedelta(seconds=3),
        now,
    )
    assert TalkdeskPermanent("never").server_time is None
