"""The words in which rights are compared: by the manifests, the API server's audit log, and its refusals."""

import pytest

from builders.rbac import ACCOUNTS, Right, granted, observed_policies, right_in
from builders.stack_manifests import rights
from talkdesk_crds.names import GROUP

OBJECTS = rights("here")
OPERATOR, WEBHOOK = "talkdesk-operator", "talkdesk-webhook"
USER = "system:serviceaccount:here:talkdesk-operator"


def test_rights_are_those_of_all_roles_that_are_bound_to_an_account() -> None:
    found = granted(OBJECTS, accounts=ACCOUNTS)
    assert Right(WEBHOOK, GROUP, "talkdeskapps", "get") in found
    assert Right(WEBHOOK, "", "secrets", "get", "single-logout") in found
    assert Right(OPERATOR, "", "secrets", "patch") in found
    assert Right(OPERATOR, "", "serviceaccounts", "impersonate", "tenant-provisioner") in found
    lists = {each.resource for each in found if each.account == WEBHOOK and each.verb == "list"}
    assert lists == {"talkdeskapps"}


def test_a_right_without_a_name_covers_all_names_and_one_with_a_name_only_that() -> None:
    wide, narrow = Right(OPERATOR, "", "secrets", "get"), Right(OPERATOR, "", "secrets", "get", "one")
    assert wide.covers(narrow)
    assert wide.covers(wide)
    assert narrow.covers(narrow)
    assert not narrow.covers(wide)
    assert not narrow.covers(Right(OPERATOR, "", "secrets", "get", "two"))
    assert not wide.covers(Right(OPERATOR, "", "secrets", "list"))
    assert not wide.covers(Right(WEBHOOK, "", "secrets", "get"))


def test_each_right_that_exists_for_policies_alone_is_asked_for_by_one() -> None:
    asked = {
        note["valueExpression"].rpartition(" ? ")[2].split("'")[1]
        for policy in observed_policies(OBJECTS)
        for note in policy.get("spec", {}).get("auditAnnotations", ())
    }
    given = {right.resource for right in granted(OBJECTS, accounts=ACCOUNTS) if "/" in right.resource}
    assert {each for each in given if not each.endswith("/status")} <= asked
    assert "talkdeskinstallations/approval" in asked


def refusal(what: str, verb: str, resource: str, group: str = "", user: str = USER) -> str:
    kind = f'{what} is forbidden: User "{user}" cannot {verb} resource "{resource}"'
    return f'{kind} in API group "{group}" in the namespace "x"'


@pytest.mark.parametrize(
    ("message", "right"),
    [
        (refusal('secrets "a"', "get", "secrets"), Right(OPERATOR, "", "secrets", "get", "a")),
        (
            refusal("events.events.k8s.io", "create", "events", "events.k8s.io"),
            Right(OPERATOR, "events.k8s.io", "events", "create"),
        ),
        (
            refusal('serviceaccounts "maker"', "impersonate", "serviceaccounts"),
            Right(OPERATOR, "", "serviceaccounts", "impersonate", "maker"),
        ),
        (refusal('secrets "a"', "get", "secrets", user="system:serviceaccount:here:maker"), None),
        ("admission webhook denied the request", None),
    ],
)
def test_a_refusal_names_the_right_that_was_missing(message: str, right: Right | None) -> None:
    assert right_in(message) == right
