from datetime import timedelta

import pytest

from talkdesk_runtime.settings import UnusableSettings, read_settings
from talkdesk_webhook.settings import Settings


def test_everything_has_a_default() -> None:
    settings = read_settings(Settings, [])
    assert (settings.port, settings.probe_port, settings.metrics_port) == (8080, 8081, 9090)
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


@pytest.mark.parametrize("prefix", ["", "/talkdesk", "/a/b-c/d_e.f~1"])
def test_a_path_prefix_is_a_path(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    monkeypatch.setenv("TALKDESK_WEBHOOK_PATH_PREFIX", prefix)
    assert read_settings(Settings, []).path_prefix == prefix


@pytest.mark.parametrize(
    "prefix",
    ["talkdesk", "/", "/talkdesk/", "//talkdesk", "/a/../b", "/a b", "/a?b", "/a%2fb", "/{app}", "/a" * 101, "/\xe9"],
)
def test_another_path_prefix_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    monkeypatch.setenv("TALKDESK_WEBHOOK_PATH_PREFIX", prefix)
    with pytest.raises(UnusableSettings, match=r"PATH_PREFIX\): a path like /talkdesk"):
        read_settings(Settings, [])


def test_allowed_sources_are_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKDESK_WEBHOOK_ALLOWED_SOURCES", "10.0.0.0/8, ::ffff:192.0.2.0/120, 2001:db8::1")
    assert [str(each) for each in read_settings(Settings, []).allowed_sources] == [
        "10.0.0.0/8",
        "192.0.2.0/24",
        "2001:db8::1/128",
    ]


def test_a_bad_network_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKDESK_WEBHOOK_ALLOWED_SOURCES", "10.0.0.0/8,10.0.0.1/8")
    with pytest.raises(UnusableSettings, match=r"ALLOWED_SOURCES\): '10.0.0.1/8' has bits beyond its length"):
        read_settings(Settings, [])


@pytest.mark.parametrize("given", ["TLS_CERT_FILE", "TLS_KEY_FILE"])
def test_certificate_and_key_go_together(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(f"TALKDESK_WEBHOOK_{given}", "/tls/file")
    with pytest.raises(UnusableSettings, match="tls_cert_file and tls_key_file are given together, or neither"):
        read_settings(Settings, [])


def test_there_may_be_no_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKDESK_WEBHOOK_SHUTDOWN_DELAY", "0s")
    assert read_settings(Settings, []).shutdown_delay == timedelta()


def test_namespaces_are_separated_by_commas_and_none_are_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(Settings, []).namespaces == ()
    monkeypatch.setenv("TALKDESK_WEBHOOK_NAMESPACES", "team, other")
    assert read_settings(Settings, []).namespaces == ("team", "other")
    monkeypatch.setenv("TALKDESK_WEBHOOK_NAMESPACES", "Team")
    with pytest.raises(UnusableSettings, match="NAMESPACES"):
        read_settings(Settings, [])


def test_events_are_taken_at_every_address_by_default() -> None:
    settings = read_settings(Settings, [])
    assert {settings.host, settings.probe_bind_address, settings.metrics_bind_address} == {"::"}
