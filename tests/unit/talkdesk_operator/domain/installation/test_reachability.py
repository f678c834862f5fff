"""Whether an installation can be called with what its app says now."""

from typing import Any

import pytest

from builders.objects import NOON, answered, failure, installation, remote, scope, view
from talkdesk_crds.allowed_hosts import allowed_hosts
from talkdesk_crds.conditions import Reason
from talkdesk_operator.domain.installation.reachability import (
    access_failure,
    is_unproven,
    missing_after_edit,
    proven_access,
)
from talkdesk_operator.domain.installation.steady_state import in_steady_state
from talkdesk_operator.domain.reconcile.failure import RetryClass
from talkdesk_operator.domain.reconcile.scope import CompiledApp, RemoteFailed, RemoteMissing, Scope, UsersOutcome

pytestmark = pytest.mark.case(28)
HERE = {"api": "https://api.talkdeskapp.com", "token": "https://acme.talkdeskid.com/oauth/token"}
THERE = {"api": "https://api.talkdeskapp.eu", "token": "https://acme.talkdeskid.eu/oauth/token"}


def proven(**spec: Any) -> Scope:
    """A scope of an app with that spec, after Talkdesk was read under another one."""
    first = proven_access(scope(remote=remote()))
    made = view(**spec)
    app = CompiledApp(made.resource, allowed_hosts(made.resource.spec, allow_insecure=False), None)
    return scope(app=app, installation=installation(status=answered(verified_access=first)))


def with_(at: Scope, **fields: Any) -> Scope:
    return Scope(**{name: getattr(at, name) for name in at.__dataclass_fields__} | fields)


@pytest.mark.parametrize(
    ("spec", "changed"),
    [
        ({}, False),
        ({"resyncPeriod": "1h"}, False),
        ({"region": "EU"}, True),
        ({"appId": "another"}, True),
        ({"region": None, "endpoints": HERE}, True),
        ({"auth": {"scopes": []}}, True),
        ({"users": {}}, True),
    ],
    ids=str,
)
def test_an_edit_of_what_calls_depend_on_has_to_be_proven(spec: dict[str, Any], *, changed: bool) -> None:
    assert is_unproven(proven(**spec)) == changed


def test_what_was_never_proven_or_has_no_app_is_not_asked_again() -> None:
    assert not is_unproven(scope())
    assert proven_access(scope()) is None
    assert proven_access(scope(app=None, remote=remote())) is None


def test_users_that_cannot_be_synced_prove_nothing() -> None:
    fails = UsersOutcome(0, failure=failure())
    assert proven_access(scope(remote=remote(), users=fails)) is None
    assert proven_access(scope(remote=remote(), users=UsersOutcome(0))) is not None


def test_hosts_are_proven_though_users_cannot_be_synced() -> None:
    edited = with_(proven(region="EU", users={}), users=UsersOutcome(0, failure=failure()), remote=remote())
    again = proven_access(edited)
    assert again not in {None, edited.installation.status.verified_access}
    seen = with_(edited, installation=installation(status=answered(verified_access=again)))
    assert is_unproven(seen)
    assert missing_after_edit(seen, RemoteMissing("no")) is None


@pytest.mark.parametrize(
    ("spec", "held"),
    [({}, False), ({"auth": {"scopes": []}}, False), ({"region": "EU"}, True), ({"appId": "another"}, True)],
    ids=str,
)
def test_what_is_missing_where_the_app_was_not_before_is_not_gone(spec: dict[str, Any], *, held: bool) -> None:
    finish = missing_after_edit(proven(**spec), RemoteMissing("no such installation"))
    assert (finish is not None) == held
    if finish is not None:
        assert (finish.reason, finish.ready, finish.ending) == (Reason.NOT_FOUND_AFTER_EDIT, False, None)
    assert missing_after_edit(with_(proven(**spec), app=None), RemoteMissing("no")) is None
    assert missing_after_edit(scope(), RemoteMissing("no")) is None


@pytest.mark.parametrize(
    ("fields", "foreign"),
    [
        ({"endpoints": HERE}, False),
        ({"endpoints": THERE}, True),
        ({"endpoints": HERE | {"token": THERE["token"]}}, True),
        ({"accountName": "a b"}, True),
        ({"accountName": None}, False),
    ],
    ids=str,
)
def test_a_foreign_host_is_seen_without_a_call(fields: dict[str, Any], *, foreign: bool) -> None:
    found = access_failure(scope(installation=installation(**fields)))
    assert (found is not None) == foreign
    if found is not None:
        assert (found.reason, found.retry_class) == (Reason.FOREIGN_HOST, RetryClass.TERMINAL)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"endpoints": THERE}, "spec.endpoints.api: "),
        ({"endpoints": HERE | {"token": THERE["token"]}}, "spec.endpoints.token: "),
        ({"accountName": "a b"}, "spec.accountName: "),
    ],
    ids=str,
)
def test_a_foreign_host_is_said_with_its_field_and_whose_edit_it_was(fields: dict[str, Any], named: str) -> None:
    first = proven_access(scope(remote=remote()))
    own = installation(status=answered(verified_access=first), **fields)
    assert in_steady_state(scope(installation=own)).message.startswith(f"the installation's {named}")
    edited = with_(proven(resyncPeriod="1h", auth={"scopes": []}), installation=own)
    assert in_steady_state(edited).message.startswith(f"after an edit of the TalkdeskApp: the installation's {named}")


def test_an_app_without_hosts_reaches_nobody() -> None:
    found = access_failure(scope(app=CompiledApp(view().resource, None, None, "endpoints: no")))
    assert found is not None
    assert found.reason is Reason.TEMPLATE_INVALID


def test_a_failed_read_counts_only_after_an_edit() -> None:
    broken = RemoteFailed(failure())
    assert access_failure(scope(remote=broken, now=NOON)) is None
    edited = proven(auth={"method": "Basic"})
    at = with_(edited, remote=broken)
    assert access_failure(at) == broken.failure
    finish = in_steady_state(at)
    assert (finish.ready, finish.reason, finish.stalled) == (False, Reason.UNAVAILABLE, False)
