"""Signatures, as Standard Webhooks has them."""

from datetime import UTC, datetime

import pytest

from builders.hook_service import KEYS, NEXT_KEYS
from talkdesk_runtime.standard_webhooks import WebhookSecrets
from talkdesk_sandbox.hook.verification import NotSigned, verify

NOW = 1_800_000_000.0
BODY = b'{"state": "Active"}'


def signed(keys: WebhookSecrets = KEYS, *, at: float = NOW) -> dict[str, str]:
    return keys.headers("k1", datetime.fromtimestamp(at, UTC), BODY)


@pytest.mark.parametrize("age", [-300, 0, 300])
def test_a_signature_by_a_known_key_is_taken_within_five_minutes(age: int) -> None:
    verify(KEYS.keys, signed(at=NOW - age), BODY, NOW)


@pytest.mark.parametrize("age", [-301, 301, 86_400])
def test_a_signature_from_another_time_is_refused(age: int) -> None:
    with pytest.raises(NotSigned, match="webhook-timestamp"):
        verify(KEYS.keys, signed(at=NOW - age), BODY, NOW)


def test_each_of_two_keys_may_sign_and_one_of_two_signatures_is_enough() -> None:
    both = WebhookSecrets(KEYS.keys + NEXT_KEYS.keys)

    verify(both.keys, signed(NEXT_KEYS), BODY, NOW)
    verify(NEXT_KEYS.keys, signed(both), BODY, NOW)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_request_without_one_of_the_headers_is_refused(name: str) -> None:
    headers = signed()
    del headers[name]

    with pytest.raises(NotSigned):
        verify(KEYS.keys, headers, BODY, NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2,c2lnbmVk"},
        {"webhook-signature": "é"},
        {"webhook-id": "k2"},
        {"webhook-timestamp": str(int(NOW) - 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "²"},
        {"webhook-timestamp": "9" * 5000},
    ],
)
def test_a_header_that_was_changed_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(NotSigned):
        verify(KEYS.keys, signed() | changed, BODY, NOW)


def test_another_body_is_refused() -> None:
    with pytest.raises(NotSigned):
        verify(KEYS.keys, signed(), BODY + b" ", NOW)
