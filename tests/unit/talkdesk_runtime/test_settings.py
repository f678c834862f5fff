"""Settings from flags and environment, and how `--help` shows them."""

from datetime import timedelta
from importlib.metadata import version
from typing import Annotated

import pytest
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from talkdesk_operator.settings import Settings as OperatorSettings
from talkdesk_runtime.settings import DurationSetting, ProcessSettings, UnusableSettings, read_settings, report
from talkdesk_webhook.settings import Settings as WebhookSettings


class Example(ProcessSettings):
    """Does this and that."""

    model_config = SettingsConfigDict(env_prefix="EXAMPLE_", cli_prog_name="example")

    pause: DurationSetting = timedelta(seconds=90)
    """How long to wait, at 100 % of the time."""
    share: Annotated[float, Field(ge=0)] = 0.5
    """A part."""
    quiet: bool = False
    """Say nothing."""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Example.model_fields:
        monkeypatch.delenv(f"EXAMPLE_{name.upper()}", raising=False)
    monkeypatch.setenv("COLUMNS", "200")


def printed(capsys: pytest.CaptureFixture[str], kind: type[ProcessSettings], flag: str) -> str:
    with pytest.raises(SystemExit) as ended:
        read_settings(kind, [flag])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_a_flag_takes_precedence_over_the_environment_and_that_over_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EXAMPLE_PAUSE", "2m")
    monkeypatch.setenv("EXAMPLE_SHARE", "0.25")
    settings = read_settings(Example, ["--pause", "3m", "--quiet"])
    assert (settings.pause, settings.share, settings.quiet) == (timedelta(minutes=3), 0.25, True)
    assert settings.log_level == "INFO"


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_PAUSE", "")
    assert read_settings(Example, []).pause == timedelta(seconds=90)


@pytest.mark.parametrize("value", ["0s", "31d", "90", "soon"])
def test_a_duration_is_bounded_and_has_a_unit(value: str) -> None:
    with pytest.raises(UnusableSettings, match=r"^--pause \(EXAMPLE_PAUSE\): ") as failure:
        read_settings(Example, ["--pause", value])
    assert "timedelta" not in str(failure.value)


@pytest.mark.parametrize("flags", [["--no-such-flag"], ["extra"], ["--pause"], ["--paus", "1m"]])
def test_flags_that_make_no_sense_are_named_in_one_line(flags: list[str]) -> None:
    with pytest.raises(UnusableSettings) as failure:
        read_settings(Example, flags)
    assert flags[0] in str(failure.value)
    assert "\n" not in str(failure.value)


def test_help_shows_flag_placeholder_text_variable_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, Example, "--help")
    assert "Does this and that." in text
    for expected in (
        "--pause DURATION\n      How long to wait, at 100 % of the time.\n      [EXAMPLE_PAUSE; default: 1m30s]\n",
        "--share NUMBER\n      A part.\n      [EXAMPLE_SHARE; default: 0.5]\n",
        "--quiet, --no-quiet\n      Say nothing.\n      [EXAMPLE_QUIET; default: false]\n",
        "--kubeconfig FILE\n",
        "--log-level {DEBUG,INFO,WARNING,ERROR}\n",
        "--log-format {json,console}\n",
    ):
        assert expected in text


@pytest.mark.parametrize("kind", [OperatorSettings, WebhookSettings])
def test_the_help_of_each_process_names_every_setting(
    kind: type[ProcessSettings], capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, kind, "--help")
    for name, field in kind.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert f"[{kind.model_config.get('env_prefix')}{name.upper()}; default: " in text
        assert field.description
        assert " ".join(field.description.split())[:60] in text


@pytest.mark.parametrize("kind", [OperatorSettings, WebhookSettings])
def test_every_process_tells_its_version(kind: type[ProcessSettings], capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, kind, "--version").strip() == version("talkdesk-operator")


def test_a_problem_is_reported_in_one_line_after_the_programs_name(capsys: pytest.CaptureFixture[str]) -> None:
    report(Example, ValueError("it is\n  broken"))
    assert capsys.readouterr().err == "example: it is broken\n"
