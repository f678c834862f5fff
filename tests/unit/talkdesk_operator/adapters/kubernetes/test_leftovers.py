"""Keys of a Secret that an earlier version left there."""

from typing import Any

import pytest

from talkdesk_crds.names import ANNOTATION_IGNORE_FIELDS
from talkdesk_operator.adapters.kubernetes.leftovers import leftover_keys

OURS = {"manager": "talkdesk-operator", "operation": "Apply"}
OTHERS = {"manager": "kubectl-edit", "operation": "Update"}


def secret(data: Any = None, managers: Any = (OURS,), **fields: Any) -> dict[str, Any]:
    metadata = {"name": "s", "managedFields": list(managers) if managers is not None else None}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data, **fields}


def test_a_key_that_nobody_owns_in_a_secret_that_only_we_wrote_is_left_over() -> None:
    assert leftover_keys(secret({"new": "Mg=="}), secret({"new": "Mg==", "old": "MQ=="})) == {"old": "MQ=="}
    assert leftover_keys(secret(), secret({"old": "MQ=="})) == {"old": "MQ=="}


def test_what_is_left_to_others_is_not_left_over() -> None:
    manifest = secret({"new": "Mg=="})
    manifest["metadata"]["annotations"] = {ANNOTATION_IGNORE_FIELDS: "/data/old"}
    assert leftover_keys(manifest, secret({"new": "Mg==", "old": "MQ=="})) == {}


@pytest.mark.parametrize(
    "live",
    [
        secret({"new": "Mg=="}),
        secret(),
        secret({"old": "MQ=="}, (OURS, OTHERS)),
        secret({"old": "MQ=="}, (OURS, OURS | {"operation": "Update"})),
        secret({"old": "MQ=="}, ()),
        secret({"old": "MQ=="}, None),
        secret({"old": "MQ=="}, immutable=True),
        secret({"old": "MQ=="}) | {"kind": "ConfigMap"},
        secret({"old": "MQ=="}) | {"apiVersion": "example.com/v1"},
    ],
)
def test_in_doubt_nothing_is_left_over(live: dict[str, Any]) -> None:
    assert leftover_keys(secret({"new": "Mg=="}), live) == {}


def test_in_a_secret_that_was_just_made_nothing_is_left_over() -> None:
    """A key that we did not apply is an admission webhook's."""
    made = secret({"new": "Mg=="})
    made["metadata"] |= {"resourceVersion": "1"}
    assert leftover_keys(made, secret({"new": "Mg==", "injected": "MQ=="})) == {}
