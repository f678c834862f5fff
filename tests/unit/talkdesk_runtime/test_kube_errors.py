from typing import Any

import pytest

from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeInvalid, from_status


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
