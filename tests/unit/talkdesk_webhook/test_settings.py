from datetime import timedelta

import pytest

from talkdesk_runtime.settings import UnusableSettings, read_settings
from talkdesk_webhook.settings import Settings


def test_everything_has_a_default() -> None:
    settings = read_settings(Settings, [])
    assert (settings.port, settings.max_body_bytes, settings.request_timeout) == (8080, 262144, timedelta(seconds=5))


def test_the_environment_sets_each_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKDESK_WEBHOOK_PORT", "0")
    monkeypatch.setenv("TALKDESK_WEBHOOK_SIGNING_KEY_MAX_AGE", "1h30m")
    monkeypatch.setenv("TALKDESK_WEBHOOK_KUBECONFIG", "")
    settings = read_settings(Settings, [])
    assert (settings.port, settings.signing_key_max_age, settings.kubeconfig) == (0, timedelta(minutes=90), None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "http"),
        ("MAX_BODY_BYTES", "0"),
        ("MAX_IN_FLIGHT", "0"),
        ("MAX_LOGOUTS_IN_FLIGHT", "0"),
        ("REQUEST_TIMEOUT", "5"),
        ("REQUEST_TIMEOUT", "0s"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"TALKDESK_WEBHOOK_{name}", value)
    with pytest.raises(UnusableSettings, match=rf"\(TALKDESK_WEBHOOK_{name}\)"):
        read_settings(Settings, [])


def test_every_setting_has_a_description() -> None:
    assert all(field.description for field in Settings.model_fields.values())
