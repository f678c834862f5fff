"""Logs are configured for a whole process, so each test looks at one of its own."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging, structlog
from pydantic import SecretStr
from talkdesk_runtime.logs import LogFormat, configure
configure(%s)
"""


def lines(arguments: str, statements: str) -> list[str]:
    program = PROGRAM % arguments + statements
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_a_line_is_one_json_object_with_time_level_logger_event_and_fields() -> None:
    [line] = lines("", "structlog.stdlib.get_logger('ours').info('pass.broke', key='a\\nb')")
    entry = json.loads(line)
    assert entry.pop("time").endswith("Z")
    assert entry == {"event": "pass.broke", "level": "info", "logger": "ours", "key": "a\nb"}


def test_other_libraries_lines_have_the_same_form() -> None:
    [line] = lines("", "logging.getLogger('other').warning('%s is odd', 'it')")
    entry = json.loads(line)
    assert (entry["event"], entry["level"], entry["logger"]) == ("it is odd", "warning", "other")


def test_what_is_bound_to_the_context_is_in_both() -> None:
    bound = "structlog.contextvars.bind_contextvars(account='acme')\n"
    both = lines("", bound + "structlog.get_logger('a').info('x')\nlogging.getLogger('b').info('y')")
    assert [json.loads(line)["account"] for line in both] == ["acme", "acme"]


def test_an_exception_stays_on_its_line_without_the_values_of_variables() -> None:
    statements = """
secret = 'canary'
try:
    1 / 0
except ZeroDivisionError:
    structlog.stdlib.get_logger('ours').exception('broke')
"""
    [line] = lines("", statements)
    entry = json.loads(line)
    assert "ZeroDivisionError: division by zero" in entry["exception"]
    assert "canary" not in line


@pytest.mark.case(61)
@pytest.mark.parametrize("form", ["JSON", "CONSOLE"])
def test_a_secret_that_gets_into_a_field_is_not_shown(form: str) -> None:
    statements = "structlog.get_logger('a').debug('x', secret=SecretStr('canary'), many=[SecretStr('canary')])"
    [line] = lines(f"'DEBUG', LogFormat.{form}", statements)
    assert "SecretStr('**********')" in line
    assert "canary" not in line


def test_below_the_level_nothing_is_logged() -> None:
    said = "for name in ('ours', 'other'): logging.getLogger(name).info('x'); structlog.get_logger(name).info('x')"
    assert lines("'WARNING'", said) == []


LIBRARIES = ["kopf", "httpx", "httpcore", "uvicorn", "uvicorn.access", "kubernetes", "aiohttp"]


def test_libraries_log_below_warning_only_when_debugging() -> None:
    said = f"for name in {LIBRARIES}: logging.getLogger(name).info('x')"
    assert lines("", said) == []
    assert [json.loads(line)["logger"] for line in lines("'DEBUG'", said)] == LIBRARIES


def test_the_cel_library_logs_only_errors_even_when_debugging() -> None:
    said = "logging.getLogger('cel').warning('x'); logging.getLogger('cel').error('y')"
    assert [json.loads(line)["event"] for line in lines("'DEBUG'", said)] == ["y"]


def test_the_console_format_is_text() -> None:
    [line] = lines("'INFO', LogFormat.CONSOLE", "structlog.get_logger('ours').info('pass.broke', key='value')")
    assert not line.startswith("{")
    assert "pass.broke" in line
    assert "value" in line
