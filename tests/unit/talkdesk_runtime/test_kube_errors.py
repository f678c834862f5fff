from typing import Any

import pytest

from talkdesk_runtime.kube_errors import (
    KubeAdmissionRefused,
    KubeError,
    KubeForbidden,
    KubeInvalid,
    KubeNoPath,
    KubeNotFound,
    KubeOverloaded,
    KubeQuotaExceeded,
    KubeTooLarge,
    KubeUnappliable,
    KubeUnauthorized,
    from_status,
)


def status(*causes: Any, **fields: Any) -> dict[str, Any]:
    return {"kind": "Status", "message": "no", "details": {"causes": list(causes)}} | fields


def test_the_fields_that_the_server_names_are_kept() -> None:
    error = from_status(422, status({"field": "spec.request"}, {"message": "no field"}, {"field": "spec.trial"}))
    assert isinstance(error, KubeInvalid)
    assert error.fields == ("spec.request", "spec.trial")


def test_a_terminating_namespace_differs_from_a_missing_right() -> None:
    going = from_status(403, status({"reason": "NamespaceTerminating", "field": "metadata.namespace"}))
    missing = from_status(403, status())
    assert isinstance(going, KubeForbidden)
    assert isinstance(missing, KubeForbidden)
    assert (going.terminating, missing.terminating) == (True, False)


@pytest.mark.parametrize("details", [None, [], "text", {"causes": None}, {"causes": "text"}, {"causes": [None, "x"]}])
def test_details_of_any_form_are_accepted(details: Any) -> None:
    error = from_status(422, status(details=details))
    assert isinstance(error, KubeInvalid)
    assert error.fields == ()


def test_a_message_fits_a_condition() -> None:
    assert len(str(from_status(400, status(message="x" * 100_000)))) == 1000


@pytest.mark.parametrize("message", [None, "", 0])
def test_an_error_without_a_message_has_its_number(message: Any) -> None:
    assert str(from_status(418, status(message=message))) == "the API server answered 418"


def test_all_errors_can_be_caught_as_one() -> None:
    assert all(isinstance(from_status(code, {}), KubeError) for code in range(300, 600))


def of(code: int, message: str, *causes: dict[str, str], reason: str = "") -> KubeError:
    return from_status(code, {"message": message, "reason": reason, "details": {"causes": list(causes)}})


POLICY = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"
WEBHOOK = 'admission webhook "w.example.com" denied the request: no'
RIGHT = 'configmaps is forbidden: User "u" cannot create resource "configmaps" in API group "" in the namespace "n"'


@pytest.mark.case(70)
@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 500, 503])
@pytest.mark.parametrize("message", [WEBHOOK, f'configmaps "x" is forbidden: {POLICY}'])
def test_a_policy_or_webhook_refuses_with_any_code_and_is_known_by_its_words(code: int, message: str) -> None:
    error = of(
        code, message, {"message": message, "field": "data.key", "reason": "FieldValueInvalid"}, reason="Invalid"
    )
    assert type(error) is KubeAdmissionRefused


@pytest.mark.case(70)
@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (403, RIGHT, KubeForbidden),
        (403, 'users "x" is forbidden: User "u" cannot impersonate resource "users"', KubeForbidden),
        (403, 'roles "x" is forbidden: user "u" (groups=[]) is attempting to grant RBAC permissions', KubeForbidden),
        (403, "Forbidden", KubeForbidden),
        (401, "Unauthorized", KubeUnauthorized),
        (403, 'configmaps "x" is forbidden: exceeded quota: q, requested: count/configmaps=1', KubeQuotaExceeded),
        (403, 'pods "x" is forbidden: failed quota: q: must specify limits.cpu', KubeQuotaExceeded),
        (403, 'pods "x" is forbidden: maximum cpu usage per Container is 1, but limit is 2', KubeAdmissionRefused),
        (403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest"', KubeAdmissionRefused),
    ],
)
def test_who_forbade_it_is_known(code: int, message: str, kind: type[KubeError]) -> None:
    assert type(of(code, message)) is kind


IS_INVALID = 'ConfigMap "x" is invalid: data[a/b]: Invalid value: "a/b"'
VALUE = {"field": "data[a/b]", "reason": "FieldValueInvalid", "message": "Invalid value"}


@pytest.mark.case(70)
@pytest.mark.parametrize(
    ("message", "reason", "causes", "expected"),
    [
        (IS_INVALID, "Invalid", [VALUE], True),
        (IS_INVALID, "Invalid", [VALUE, VALUE | {"reason": "FieldValueTooLong"}], True),
        (IS_INVALID, "Invalid", [], False),
        (IS_INVALID, "", [VALUE], False),
        ("the server rejected our request", "Invalid", [VALUE], False),
        (IS_INVALID, "Invalid", [VALUE, {"message": "something else"}], False),
        *[
            (IS_INVALID, "Invalid", [VALUE, VALUE | {"reason": other}], False)
            for other in ("FieldValueRequired", "FieldValueForbidden", "FieldValueDuplicate", "InternalError", "")
        ],
    ],
)
def test_values_alone_are_at_fault_only_if_the_api_server_says_nothing_else(
    message: str, reason: str, causes: list[dict[str, str]], *, expected: bool
) -> None:
    error = of(422, message, *causes, reason=reason)
    assert isinstance(error, KubeInvalid)
    assert error.by_values is expected


@pytest.mark.parametrize(
    "message",
    [
        "failed to create typed patch object (a/b; /v1, Kind=ConfigMap): .data.port: expected string, got 1",
        "failed to create typed live object (a/b; x/v1, Kind=Widget): .spec.size: expected string, got 1",
        "failed to create manager for existing fields: failed to convert new object (a/b; /v1, Kind=X) to smd",
        "failed to convert new object (a/b; apps/v1, Kind=Deployment) to proper version: quantities must match",
        "failed to convert new typed object (a/b; /v1, Kind=X) to object: no",
        "failed to convert to unversioned (a/b; /v1, Kind=X): no",
        "failed to decode managed fields: no",
        "failed to encode managed fields: no",
        "failed to update ManagedFields (a/b; /v1, Kind=X): no",
        "failed to merge config: no",
        "failed to get field set: no",
        "failed to prune fields: failed add back owned items: no",
        "failed add back owned items: no",
        "failed to compare objects: no",
        "failed to create field set from merged object at version v1: no",
    ],
)
def test_what_the_field_manager_refuses_is_no_outage_although_the_server_answers_500(message: str) -> None:
    assert isinstance(from_status(500, {"message": message}), KubeUnappliable)


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (500, {}),
        (500, {"message": "etcdserver: request timed out"}),
        (500, {"message": "etcdserver: leader changed"}),
        (500, {"message": "context deadline exceeded"}),
        (500, {"message": "rpc error: code = Unavailable desc = transport is closing"}),
        (500, {"message": "failed to create new object: no"}),
        (500, {"message": "failed to get token"}),
        (500, {"reason": "InternalError", "message": "Internal error occurred: failed calling webhook: no"}),
        (500, {"reason": "InternalError", "message": "failed to create typed patch object, a webhook says"}),
        (503, {"message": "failed to create typed patch object (a/b; /v1, Kind=ConfigMap): .data"}),
        (504, {"reason": "Timeout", "message": "request is too large"}),
    ],
)
def test_an_outage_stays_an_outage(code: int, body: dict[str, Any]) -> None:
    assert isinstance(from_status(code, body), KubeOverloaded)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (413, "Request entity too large: limit is 3145728"),
        (500, "etcdserver: request is too large"),
        (500, "rpc error: code = ResourceExhausted desc = trying to send message larger than max (3 vs. 2)"),
    ],
)
def test_too_large_is_said_by_the_server_and_by_its_database(code: int, message: str) -> None:
    assert isinstance(from_status(code, {"message": message}), KubeTooLarge)


def test_a_list_of_problems_has_one_order() -> None:
    begin = "failed to create typed patch object (a/b; /v1, Kind=ConfigMap): errors:"
    one, other = (
        from_status(500, {"message": "\n  ".join((begin, *problems))}) for problems in ([".a", ".b"], [".b", ".a"])
    )
    assert str(one) == str(other)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"details": {"name": "x", "kind": "widgets"}}, True),
        ({"details": {}}, False),
        ({"details": None}, False),
        ({}, False),  # 404 page not found
    ],
)
def test_a_missing_object_differs_from_a_path_that_leads_nowhere(body: dict[str, Any], named: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert type(from_status(404, body)) is (KubeNotFound if named else KubeNoPath)
