"""What an event says of itself before it is verified: only whether its key is asked for hangs on it."""

from typing import Any

import pytest

from builders.events import APP_ID, encode, event, installed
from builders.ports import known_app
from talkdesk_webhook.claims import claimed_account
from talkdesk_webhook.event_record import ForbiddenEvent


@pytest.mark.parametrize(
    ("body", "account"),
    [
        (encode(installed()), "acc-1"),
        (b"\xef\xbb\xbf" + encode(installed()), "acc-1"),
        (encode(installed()).replace(b'"acme"', b'"\\ud83d"'), "acc-1"),
        (encode(event("app.installed", {"account_id": 7})), "7"),
        (encode(event("app.installed", {"account_id": None})), ""),
        (encode(installed() | {"data": []}), ""),
        (encode({"app_id": APP_ID}), ""),
        (encode({"app_id": None}), None),
        (encode([]), None),
        (b"{}", None),
        (b"", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        (b'{"app_id": NaN}', None),
        (b'{"app_id": "another", "a": NaN, "b": "' + b"x" * 20_000 + b'"}', None),
    ],
)
def test_the_account_is_read_where_the_body_names_our_app(body: bytes, account: str | None) -> None:
    assert claimed_account(known_app(), body) == account


@pytest.mark.parametrize("app_id", ["another", "", 7])
def test_another_apps_event_is_refused(app_id: Any) -> None:
    with pytest.raises(ForbiddenEvent) as refused:
        claimed_account(known_app(), encode(installed() | {"app_id": app_id}))
    assert refused.value.reason == "foreign_app"
