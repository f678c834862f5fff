import base64
from datetime import UTC, datetime

import pytest

from talkdesk_runtime.standard_webhooks import KeyUnusable, WebhookSecrets, message_id

# The vector that the specification's own libraries are tested with.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def signature(text: str) -> str:
    return WebhookSecrets.read(text).headers(MESSAGE, AT, BODY)["webhook-signature"]


def test_the_published_vector_comes_out() -> None:
    assert WebhookSecrets.read(SECRET).headers(MESSAGE, AT, BODY) == {
        "webhook-id": MESSAGE,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


@pytest.mark.parametrize("text", [f"{SECRET}\n", f"\n  {SECRET} \r\n\r\n"])
def test_white_space_around_a_key_is_ignored(text: str) -> None:
    assert signature(text) == SIGNATURE


def test_a_key_may_lack_the_padding_of_its_base64() -> None:
    assert signature("whsec_" + base64.b64encode(b"0123456789").decode().rstrip("=")) == signature("0123456789")


def test_any_other_text_is_a_key_as_it_stands() -> None:
    assert signature("ein Schlüssel: mit Leerzeichen") != signature("ein Schlüssel: mit")
    assert signature("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") != SIGNATURE


def test_each_line_is_a_key_and_each_key_signs() -> None:
    assert signature(f"{SECRET}\nanother") == f"{SIGNATURE} {signature('another')}"


@pytest.mark.parametrize("text", ["", " \n ", "whsec_", "whsec_====", "whsec_canary!", "whsec_canarycan", "a\nwhsec_ü"])
def test_what_is_no_key_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(KeyUnusable) as caught:
        WebhookSecrets.read(text)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_key_is_not_shown() -> None:
    assert "canary" not in repr(WebhookSecrets.read("canary"))


@pytest.mark.parametrize("event_id", ["a", "event_1-B", "x" * 128])
def test_an_id_that_a_header_can_hold_is_used_as_it_is(event_id: str) -> None:
    assert message_id(event_id) == event_id


@pytest.mark.parametrize("event_id", ["a.b", "a b", "a\r\nx: y", "ü", "🚀", "\0", "", "x" * 129, "a\n"])
def test_any_other_id_becomes_a_hash_that_a_header_can_hold(event_id: str) -> None:
    made = message_id(event_id)
    assert made == message_id(event_id)
    assert made == message_id(made)
    assert made != message_id(event_id + "x")
