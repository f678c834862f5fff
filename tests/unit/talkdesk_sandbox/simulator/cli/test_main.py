"""The command line, run in a thread against a simulator in this process."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import orjson
import pytest

from builders.partner import Callback
from builders.simulators import Start
from talkdesk_sandbox.simulator import SimulatorServer
from talkdesk_sandbox.simulator.cli.main import main
from talkdesk_sandbox.simulator.faults.kinds import ApiFault, DeliveryFault, Drop
from talkdesk_sandbox.simulator.settings import Behavior, Settings

Run = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
async def server(start: Start, callback: Callback) -> SimulatorServer:
    return await start(callback_url=callback.url)


@pytest.fixture
def run(server: SimulatorServer, capsys: pytest.CaptureFixture[str]) -> Run:
    async def run(*arguments: str) -> tuple[int, str, str]:
        url = () if "--url" in arguments or "--explain" in arguments else ("--url", server.url)
        code = await asyncio.to_thread(main, [arguments[0], *url, *arguments[1:]])
        out, err = capsys.readouterr()
        return code, out, err

    return run


async def test_every_command_works_in_the_life_of_a_customer(run: Run, server: SimulatorServer) -> None:
    for arguments in (
        ("install", "acme", "--users", "3", "--plan", "Gold", "--licenses", "5", "--trial"),
        ("update", "acme", "--add", "2", "--licenses", "9"),
        ("rotate", "acme", "--compromised"),
        ("trial", "start", "acme", "--length", "10d"),
        ("trial", "extend", "acme"),
        ("trial", "end", "acme", "--reason", "plan_upgraded"),
        ("logout", "acme"),
        ("users", "acme", "--add", "1", "--license"),
        ("rename", "acme", "acme-two"),
        ("app", "second", "--scopes", "apps:read"),
        ("uninstall", "acme-two", "--reason", "too dear"),
        ("clock", "+7d"),
        ("reinstall", "acme-two"),
        ("revoke", "acme-two"),
        ("rotate-signing-key",),
        ("release",),
    ):
        code, _, err = await run(*arguments)
        assert (code, err) == (0, ""), arguments
    types = [event.type for event in await server.client.events()]
    assert types == [
        "app.installed",
        "app.updated",
        "app.credentials_rotated",
        "app.trial_started",
        "app.trial_extended",
        "app.trial_ended",
        "user.logout",
        "app.uninstalled",
        "app.installed",
    ]


async def test_install_means_the_app_that_has_a_callback(run: Run, callback: Callback) -> None:
    await run("app", "first", "--callback", callback.url)
    code, out, _ = await run("install", "acme", "--json")
    assert (code, orjson.loads(out)["app_id"]) == (0, "first")
    await run("app", "second", "--callback", callback.url)
    code, _, err = await run("install", "globex")
    assert code == 1
    assert "several apps have a callback" in err
    assert "first, second" in err
    assert (await run("install", "globex", "--app", "second"))[0] == 0


async def test_an_event_that_nobody_gets_is_said_to_be_kept_and_how_to_send_it(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await start()
    url = ("--url", server.url)
    assert await asyncio.to_thread(main, ["install", *url, "acme"]) == 1
    said = capsys.readouterr().err
    assert "nothing was sent, because the app has no callback" in said
    assert "--callback URL" in said
    assert await asyncio.to_thread(main, ["install", *url, "globex", "--no-deliver"]) == 0
    assert capsys.readouterr().err == ""


async def test_tables_show_the_state_without_control_characters(run: Run, server: SimulatorServer) -> None:
    assert "no installations" in (await run("state"))[1]
    outcome = await server.client.install(account="acme\x1b[31m")
    await server.client.drain()
    _, out, _ = await run("state")
    assert out.splitlines()[1].split()[:3] == ["ACCOUNT", "INSTALLATION", "STATE"]
    assert outcome.installation_id in out
    assert "\x1b" not in out
    assert "delivered" in (await run("deliveries"))[1]
    assert "app.installed" in (await run("events", "--installation", outcome.installation_id))[1]
    assert (await run("requests"))[1] == "none\n"
    assert "ahead of real time" in (await run("clock"))[1]


async def test_json_output_can_be_parsed(run: Run) -> None:
    code, out, _ = await run("install", "acme", "--json", "--no-deliver")
    assert code == 0
    outcome = orjson.loads(out)
    code, out, _ = await run("deliver", outcome["events"][0]["id"], "--json")
    assert orjson.loads(out)["type"] == "app.installed"


async def test_faults_and_settings_take_name_value_pairs(run: Run, server: SimulatorServer) -> None:
    _, out, _ = await run("faults", "set", "status", "status=503", "route=POST */state", "count=2")
    assert "status=503" not in out  # the default
    assert "count=2" in out
    ((view),) = await server.client.faults()
    assert (view.fault.kind, view.fault.count) == ("status", 2)
    assert (await run("faults", "clear", str(view.number)))[1] == "none\n"
    assert "signature_form=raw" in (await run("settings", "signature_form=raw", 'retry_delays=["1m"]'))[1]
    assert (await server.client.settings()).signature_form == "raw"


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("uninstall", "nobody"), 1, "nobody"),
        (("uninstall",), 2, "either"),
        (("clock", "soon"), 2, "7d"),
        (("faults", "set", "nope"), 2, "nope"),
        (("faults", "set", "drop", "count"), 2, "name=value"),
        (("settings", "nope=1"), 1, "nope"),
        (("state", "--url", "http://127.0.0.1:9"), 1, "no simulator answers"),
        (("install",), 2, "ACCOUNT"),
        (("install", "acme", "--users", "many"), 2, "--users"),
        (("install", "acme", "--nope"), 2, "--nope"),
        (("trial", "pause", "acme"), 2, "extend"),
        (("clock", "--", "-1d"), 1, "forward"),
        (("nope",), 2, "nope"),
        (("faults",), 2, "command"),
    ],
)
async def test_an_error_is_one_line_and_an_exit_code(
    run: Run, arguments: tuple[str, ...], code: int, word: str
) -> None:
    got, out, err = await run(*arguments)
    assert (got, out) == (code, "")
    assert err.startswith("talkdesk-simulator: ")
    assert word in err
    assert len(err.splitlines()) == 1


async def test_an_option_can_have_several_values_at_once_or_be_repeated(run: Run, server: SimulatorServer) -> None:
    await run("app", "one", "--scopes", "apps:read", "users:read", "--name", "One")
    await run("app", "two", "--scopes", "apps:read", "--scopes", "users:read")
    scopes = [list(app.scopes) for app in server.simulator.state.apps.values()]
    assert scopes == [["apps:read", "users:read"]] * 2


async def test_a_group_and_its_commands_both_have_the_connection_options(run: Run, server: SimulatorServer) -> None:
    await server.client.set_fault(Drop())
    of_group = await run("faults", "--json", "list")
    assert of_group == await run("faults", "list", "--json")
    assert orjson.loads(of_group[1])[0]["fault"]["kind"] == "drop"


async def test_the_simulator_to_control_can_be_named_by_a_variable(
    server: SimulatorServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TALKDESK_SIMULATOR_URL", server.url)
    assert await asyncio.to_thread(main, ["state"]) == 0
    assert server.url in capsys.readouterr().out


async def test_every_setting_is_explained(run: Run) -> None:
    _, out, _ = await run("settings", "--explain")
    lines = out.splitlines()
    for name in Behavior.model_fields:
        place = next(number for number, line in enumerate(lines) if line.startswith(f"{name} = "))
        assert lines[place + 1].strip(), name


def test_the_help_names_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "set", "--help"]) == 0
    out = capsys.readouterr().out
    kinds = [model.model_fields["kind"].default for model in (*ApiFault.__args__, *DeliveryFault.__args__)]
    assert [kind for kind in kinds if kind not in out] == []


@pytest.mark.parametrize("command", ["serve", "install", "trial", "settings", "requests"])
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main(["--help"]) == 0
    assert f" {command} " in capsys.readouterr().out
    assert main([command, "--help"]) == 0
    assert command in capsys.readouterr().out


def test_serve_refuses_wrong_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "99999"]) == 2
    assert "port" in capsys.readouterr().err
    assert main(["serve", "--set", "nope=1"]) == 2
    assert "nope" in capsys.readouterr().err


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_serve_names_the_port_that_is_taken(
    by: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        if by == "variable":
            monkeypatch.setenv("TALKDESK_SIMULATOR_PORT", port)
        code = main(["serve", "--port", port] if by == "flag" else ["serve"])
    assert code == 1
    assert capsys.readouterr().err == (
        f"talkdesk-simulator: can't listen on port {port} of 127.0.0.1: Address already in use\n"
    )


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"behavior", "delivery_concurrency"}))
def test_each_setting_is_a_flag_of_the_same_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["serve", f"--{name.replace('_', '-')}"])
    assert "requires an argument" in capsys.readouterr().err
