"""The command line: usage, statuses, and a service that is not there."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from builders.serving import serving
from talkdesk_runtime.standard_webhooks import WebhookSecrets
from talkdesk_sandbox.conformance import CHECKS, Outcome, Run, Settings
from talkdesk_sandbox.conformance.__main__ import main

URL = "http://127.0.0.1:9/v1/tenants"


@pytest.fixture
def key(tmp_path: Path) -> str:
    file = tmp_path / "key"
    file.write_text("whsec_dGhlIGtleSBvZiB0aGUgc2VydmljZQ==\n", encoding="utf-8")
    return str(file)


def test_a_service_that_is_not_there_is_said_in_one_line(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1/tenants"

        assert main([url, "--key-file", key]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"talkdesk-conformance: {url} can't be reached: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    [
        "control.example.com",
        "ftp://control.example.com",
        "http://",
        "http://[::1",
        "http://host:port/",
        "https://user:password@control.example.com/",
        "https://control.example.com/?tenant=1",
        "https://control.example.com/#part",
    ],
)
def test_a_url_that_is_none_of_a_step_is_wrong_usage(url: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([url, "--key-file", key]) == 2

    said = capsys.readouterr().err
    assert "the URL must be" in said
    assert "password" not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--key-file"),
        ((URL,), "--key-file"),
        ((URL, "--key-file", "/nonexistent"), "No such file"),
        (("--only", "nonsense"), "no check nonsense"),
        ((URL, "--key-file", "KEY", "--tenant", "Acme"), "--tenant"),
        ((URL, "--key-file", "KEY", "--tenant", "a" * 33), "--tenant"),
        ((URL, "--key-file", "KEY", "--ca-file", "/nonexistent"), "/nonexistent"),
        ((URL, "--key-file", "KEY", "--ca-file", "KEY"), "no certificates"),
    ],
)
def test_wrong_usage_is_said_in_one_line(
    arguments: tuple[str, ...], said: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([key if each == "KEY" else each for each in arguments]) == 2

    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("text", [b"", b"whsec_secret%", b"\xff\xfe"])
def test_a_key_that_is_none_is_said_and_not_shown(
    text: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong"
    file.write_bytes(text)

    assert main([URL, "--key-file", str(file)]) == 2

    told = capsys.readouterr().err
    assert str(file) in told
    assert "secret%" not in told


@pytest.mark.parametrize("option", [["--timeout", "0"], ["--pause", "soon"], ["--format", "yaml"]])
def test_options_that_are_none_are_wrong_usage(option: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([URL, *option])

    assert ended.value.code == 2


def test_the_list_names_each_check_and_where_it_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CHECKS)
    for line, check in zip(lines, CHECKS, strict=True):
        assert line.split()[0] == check.name
        assert check.source in line
        assert line.endswith(check.rule)


def test_each_check_has_a_name_of_its_own_and_needs_only_earlier_ones() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    for number, check in enumerate(CHECKS):
        assert set(check.needs) <= set(names[:number]), check.name


def only(*names: str) -> list[str]:
    return [argument for name in names for argument in ("--only", name)]


async def asked(answer: Callable[[Request], Awaitable[Response]], *arguments: str) -> int:
    """Run the command in a thread against a service that consists of one function."""
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "PUT", "DELETE"])])
    async with serving(app) as served:
        return await asyncio.to_thread(main, [f"{served.url}/tenants", "--pause", "0.01", *arguments])


async def test_a_service_that_does_nothing_but_fail_ends_in_1_and_shows_the_request(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(_: Request) -> Response:
        return JSONResponse({"description": "no", "secrets": {"password": "hunter2"}}, 500)

    assert await asked(answer, "--key-file", key, "--tenant", "acme", *only("provision", "repeat")) == 1

    said = capsys.readouterr().out
    assert "FAIL  provision          the PUT: answered 500, expected 200 or 201" in said
    assert "PUT /tenants/acme-provision" in said
    assert "webhook-signature: v1,***" in said
    assert '"password": "***"' in said
    assert "hunter2" not in said
    assert "SKIP  repeat             it needs provision, which failed" in said
    assert "left behind: acme-provision could not be deleted" in said
    assert said.splitlines()[-1] == "2 checks: 0 passed, 1 failed, 1 skipped"


async def test_a_redirect_is_not_followed(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def answer(_: Request) -> Response:
        return RedirectResponse("/elsewhere")

    assert await asked(answer, "--key-file", key, *only("provision")) == 1
    assert "answered 307" in capsys.readouterr().out


async def test_an_answer_that_does_not_come_fails_after_the_timeout(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(request: Request) -> Response:
        if request.method == "PUT":
            await asyncio.sleep(1)
        return JSONResponse({})

    assert await asked(answer, "--key-file", key, "--timeout", "0.2", *only("provision")) == 1
    assert "no answer within 0.2 s" in capsys.readouterr().out


async def test_retry_after_is_respected_and_a_service_that_stays_busy_fails(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    times: list[float] = []

    async def answer(request: Request) -> Response:
        if request.method != "PUT":
            return JSONResponse({}, 410)
        times.append(asyncio.get_running_loop().time())
        return JSONResponse({"error": "ConcurrencyError"}, 422, {"Retry-After": "1"})

    assert await asked(answer, "--key-file", key, "--operation-timeout", "1.5", *only("provision")) == 1
    assert "the service is still busy after 1.5 s" in capsys.readouterr().out
    assert len(times) == 2
    assert times[1] - times[0] >= 1


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([{"state": "in progress"}, {"state": "failed", "description": "disk full"}], "the operation failed"),
        ([{"state": "done"}], "last_operation: answered 200 with the state 'done'"),
        ([{"state": "in progress"}] * 1000, "the operation has not ended after 0.3 s"),
    ],
)
async def test_an_operation_that_does_not_end_well_fails(
    answers: list[dict[str, str]], reason: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    left = iter(answers)

    async def answer(request: Request) -> Response:
        match request.method:
            case "PUT":
                return JSONResponse({"operation": "o/1 &"}, 202)
            case "GET" if request.query_params:
                assert request.query_params["operation"] == "o/1 &"
                return JSONResponse(next(left))
        return JSONResponse({}, 410)

    assert await asked(answer, "--key-file", key, "--operation-timeout", "0.3", *only("provision")) == 1
    assert reason in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        {"outputs": []},
        {"secrets": {"port": 5432}},
        {"outputs": {"nested": {"a": 1}}},
        {"outputs": {"none": None}},
        {"outputs": {str(number): 1 for number in range(65)}},
        {"outputs": {"long": "x" * 65_536}},
        ["no object"],
    ],
)
async def test_outputs_that_the_operator_would_not_take_fail(
    content: object, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(request: Request) -> Response:
        return JSONResponse(content if request.method == "PUT" else {})

    assert await asked(answer, "--key-file", key, *only("provision")) == 1
    assert "FAIL  provision" in capsys.readouterr().out


async def test_what_can_not_be_seen_is_skipped_when_deletions_of_the_unknown_do_not_answer_404_or_410(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(_: Request) -> Response:
        return JSONResponse({})

    assert await asked(answer, "--key-file", key, *only("late-repeat", "cut-request", "orphan")) == 0
    assert capsys.readouterr().out.count("so it can't be seen") == 3


async def test_no_answer_with_secrets_reaches_a_report(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def answer(request: Request) -> Response:
        password = str(asyncio.get_running_loop().time())
        return JSONResponse({"secrets": {"password": f"secret {password}"}}, 200 if request.method == "PUT" else 204)

    assert await asked(answer, "--key-file", key, "--format", "json", *only("repeat")) == 1
    said = capsys.readouterr().out
    assert "secret " not in said
    assert len(json.loads(said)["checks"][0]["requests"]) == 2


async def test_tenants_are_deleted_when_somebody_stops_the_checks() -> None:
    deleted, reached, stopped = [], asyncio.Event(), asyncio.Event()

    async def answer(request: Request) -> Response:
        if request.method == "PUT":
            reached.set()
            await stopped.wait()
        if request.method == "DELETE":
            deleted.append(request.path_params["path"])
            stopped.set()
        return JSONResponse({}, 410)

    async def run(url: str) -> list[Outcome]:
        settings = Settings(url, WebhookSecrets.read("a key"), prefix="acme")
        return [result.outcome async for result in Run(settings, CHECKS[:1]).results()]

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "PUT", "DELETE"])])
    async with serving(app) as served:
        task = asyncio.create_task(run(f"{served.url}/tenants"))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert deleted == ["tenants/acme-provision"]
