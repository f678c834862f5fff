"""The command `serve`: a simulator that runs until Ctrl-C.

Belongs here: options, signals, the welcome. Does not belong here: serving itself (`server`).
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from talkdesk_sandbox.embedded import signaled
from talkdesk_sandbox.simulator.cli.options import DEFAULT_PORT, given, pairs
from talkdesk_sandbox.simulator.cli.register import MultiValueCommand
from talkdesk_sandbox.simulator.cli.tables import welcome
from talkdesk_sandbox.simulator.server.server import SimulatorServer
from talkdesk_sandbox.simulator.settings import Settings

_EPILOG = (
    "Each flag is an environment variable as well, over which it takes precedence: TALKDESK_SIMULATOR_PORT, "
    "TALKDESK_SIMULATOR_TLS_CERT, ... For --set NAME=VALUE it is TALKDESK_SIMULATOR_BEHAVIOR__NAME."
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=MultiValueCommand, rich_help_panel="Run", epilog=_EPILOG)(serve)


_Host = Annotated[str | None, typer.Option(help="address to listen on (127.0.0.1; the control API has no password)")]
_Port = Annotated[int | None, typer.Option(metavar="N", help=f"port; 0 takes a free one ({DEFAULT_PORT})")]
_Callback = Annotated[
    str | None,
    typer.Option("--callback-url", "--callback", metavar="URL", help="where events go; {app_id} is replaced"),
]
_CallbackCa = Annotated[Path | None, typer.Option(metavar="FILE", help="PEM bundle to trust for an HTTPS callback")]
_PublicUrl = Annotated[str | None, typer.Option(metavar="URL", help="base URL that events name (where it listens)")]
_IdDomain = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="name token URLs as {account}.HOST, not by path")
]
_TlsCert = Annotated[Path | None, typer.Option(metavar="FILE", help="PEM certificate chain: speak HTTPS")]
_TlsKey = Annotated[Path | None, typer.Option(metavar="FILE", help="PEM private key of the certificate")]
_ClockOffset = Annotated[
    str | None, typer.Option(metavar="DURATION", help="where the clock starts, from real time: =-6d, 2h")
]
_Seed = Annotated[int | None, typer.Option(metavar="N", help="seed of everything random (0)")]
_Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="behavior; see `settings --explain`")
]


def serve(  # noqa: PLR0913 - each parameter is an option
    *,
    host: _Host = None,
    port: _Port = None,
    callback_url: _Callback = None,
    callback_ca: _CallbackCa = None,
    public_url: _PublicUrl = None,
    id_domain: _IdDomain = None,
    tls_cert: _TlsCert = None,
    tls_key: _TlsKey = None,
    clock_offset: _ClockOffset = None,
    seed: _Seed = None,
    changes: _Changes = None,
) -> None:
    """Run a simulator until Ctrl-C."""
    fields = given(host=host, port=port, callback_url=callback_url, callback_ca=callback_ca, public_url=public_url)
    fields |= given(id_domain=id_domain, tls_cert=tls_cert, tls_key=tls_key, clock_offset=clock_offset, seed=seed)
    if port is None and "port" not in Settings().model_fields_set:
        fields["port"] = DEFAULT_PORT
    if changes:
        # The environment first: what the command line does not name stays as the environment says.
        fields["behavior"] = Settings().behavior.model_dump() | pairs(changes)
    asyncio.run(_serve(Settings(**fields)))


async def _serve(settings: Settings) -> None:
    stop = signaled()
    async with SimulatorServer(settings) as server:
        print(welcome(server.url, server.simulator.state.links.root, settings), flush=True)
        ends = {asyncio.create_task(stop.wait()), asyncio.create_task(server.stopped())}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
