from datetime import timedelta

import pytest
from pydantic import ValidationError

from talkdesk_webhook.settings import Settings


def test_everything_has_a_default() -> None:
    settings = Settings()
    assert (settings.port, settings.max_body_bytes, settings.answer_within) == (8080, 262144, timedelta(seconds=5))


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKDESK_WEBHOOK_PORT", "0")
    monkeypatch.setenv("TALKDESK_WEBHOOK_KEY_KEEP", "1h30m")
    monkeypatch.setenv("TALKDESK_WEBHOOK_KUBECONFIG", "")
    settings = Settings()
    assert (settings.port, settings.key_keep, settings.kubeconfig) == (0, timedelta(minutes=90), None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "http"),
        ("MAX_BODY_BYTES", "0"),
        ("MAX_IN_FLIGHT", "0"),
        ("LOGOUTS_IN_FLIGHT", "0"),
        ("ANSWER_WITHIN", "5"),
        ("ANSWER_WITHIN", "0s"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"TALKDESK_WEBHOOK_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())
