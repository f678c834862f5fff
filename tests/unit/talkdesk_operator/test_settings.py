from datetime import timedelta
from pathlib import Path

import pytest

from talkdesk_operator.settings import PREFIX, Settings
from talkdesk_runtime.settings import UnusableSettings, read_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NAMESPACES", "WORKERS", "SHUTDOWN_TIMEOUT", "LEASE_NAMESPACE"):
        monkeypatch.delenv(PREFIX + name, raising=False)


def test_the_default_is_the_whole_cluster_with_leader_election() -> None:
    settings = read_settings(Settings, [])
    assert settings.namespaces == ()
    assert settings.leader_election
    assert settings.shards == 1
    assert (settings.probe_bind_address, settings.probe_port) == ("::", 8081)
    assert (settings.metrics_bind_address, settings.metrics_port) == ("::", 9090)
    assert settings.watch_inactivity_timeout == timedelta(seconds=90)


def test_a_flag_takes_precedence_over_its_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKDESK_OPERATOR_WORKERS", "8")
    monkeypatch.setenv("TALKDESK_OPERATOR_SHUTDOWN_TIMEOUT", "1m30s")
    settings = read_settings(Settings, ["--workers", "16", "--no-leader-election"])
    assert settings.workers == 16
    assert settings.shutdown_timeout == timedelta(seconds=90)
    assert not settings.leader_election


@pytest.mark.parametrize("flags", [["--namespaces", "a, b"], ["--namespaces", "a", "--namespaces", "b"]])
def test_namespaces_are_separated_by_commas_or_given_one_by_one(flags: list[str]) -> None:
    assert read_settings(Settings, flags).namespaces == ("a", "b")


def test_namespaces_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKDESK_OPERATOR_NAMESPACES", "a,b")
    assert read_settings(Settings, []).namespaces == ("a", "b")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--workers", "many"], "--workers (TALKDESK_OPERATOR_WORKERS): Input should be a valid integer"),
        (["--workers", "0"], "--workers (TALKDESK_OPERATOR_WORKERS): Input should be greater than or equal to 1"),
        (["--shutdown-timeout", "soon"], "a duration is written like 7d, 1h30m or 90s"),
        (["--shutdown-timeout", "0s"], "--shutdown-timeout"),
        (["--namespaces", "Not_A_Name"], "--namespaces"),
        (["--probe-port", "70000"], "--probe-port"),
        (["--log-level", "LOUD"], "--log-level"),
        (["--talkdesk-breaker-failures", "0"], "--talkdesk-breaker-failures"),
        (["--no-such-flag"], "--no-such-flag"),
        (["--namespaces", "a", "--lease-namespace", "b"], "lease_namespace must be one of namespaces"),
        (["--shards", "65"], "--shards (TALKDESK_OPERATOR_SHARDS): Input should be less than or equal to 64"),
        (["--shards", "2", "--no-leader-election"], "shards need leader_election"),
    ],
)
def test_a_bad_setting_is_named_in_one_line(flags: list[str], said: str) -> None:
    with pytest.raises(UnusableSettings) as caught:
        read_settings(Settings, flags)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_bad_settings_are_all_named() -> None:
    with pytest.raises(UnusableSettings, match=r"--probe-port .*; --workers"):
        read_settings(Settings, ["--workers", "0", "--probe-port", "-1"])


@pytest.mark.parametrize(
    ("flags", "pod", "place"),
    [
        ([], None, "default"),
        ([], "system", "system"),
        (["--lease-namespace", "leases"], "system", "leases"),
        (["--namespaces", "a,b"], "system", "a"),
        (["--namespaces", "a,system"], "system", "system"),
        (["--namespaces", "a,b", "--lease-namespace", "b"], None, "b"),
    ],
)
def test_the_lease_is_where_it_can_be_watched(flags: list[str], pod: str | None, place: str, tmp_path: Path) -> None:
    file = tmp_path / "namespace"
    if pod is not None:
        file.write_text(f"{pod}\n")
    assert read_settings(Settings, flags).namespace_of_lease(file) == place
