import secrets

import pytest

from talkdesk_operator.templates import fingerprint

KEY = secrets.token_bytes(32)


def test_the_order_of_keys_does_not_matter() -> None:
    assert fingerprint({"a": 1, "b": [1, 2]}, key=KEY) == fingerprint({"b": [1, 2], "a": 1}, key=KEY)


@pytest.mark.parametrize("other", [{"a": "1"}, {"a": 2}, {"a": 1, "b": None}, [{"a": 1}], {}])
def test_any_difference_shows(other: object) -> None:
    assert fingerprint(other, key=KEY) != fingerprint({"a": 1}, key=KEY)


def test_without_the_key_nothing_can_be_guessed() -> None:
    assert fingerprint({"password": "1234"}, key=KEY) != fingerprint({"password": "1234"}, key=secrets.token_bytes(32))


def test_it_is_64_hex_digits_for_any_text() -> None:
    assert len(bytes.fromhex(fingerprint(["\u65e5\ud800"], key=KEY))) == 32
