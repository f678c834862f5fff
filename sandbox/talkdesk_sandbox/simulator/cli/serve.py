"""The command `serve`: a simulator that runs until Ctrl-C.

Belongs here: options, signals, the welcome. Does not belong here: serving itself (`server`).
"""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from talkdesk_sandbox.simulator.cli.options import DEFAULT_PORT, given, pairs
from talkdesk_sandbox.simulator.cli.register import MultiValueCommand
from talkdesk_sandbox.simulator.cli.tables import welcome
from talkdesk_sandbox.simulator.server.server import SimulatorServer
from talkdesk_sandbox.simulator.settings import Settings


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=MultiValueCommand, rich_help_panel="Run")(serve)


def serve(  # noqa: PLR0913 - each parameter is an option
    *,
    host: Annotated[
        str | None, typer.Option(help="address to listen on (127.0.0.1; the control API has no password)")
    ] = None,
    port: Annotated[int, typer.Option(metavar="N", help="port; 0 takes a free one")] = DEFAULT_PORT,
    callback: Annotated[str | None, typer.Option(metavar="URL", help="where events go; {app_id} is replaced")] = None,
    callback_ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM bundle to trust for an HTTPS callback")
    ] = None,
    public_url: Annotated[
        str | None, typer.Option(metavar="URL", help="base URL that events name (where it listens)")
    ] = None,
    id_domain: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="name token URLs as {account}.HOST, not by path")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM certificate chain: speak HTTPS")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM private key of the certificate")] = None,
    clock_offset: Annotated[
        str | None, typer.Option(metavar="DURATION", help="where the clock starts, from real time: =-6d, 2h")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="seed of everything random (0)")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE...", help="behavior; see `settings --explain`"),
    ] = None,
) -> None:
    """Run a simulator until Ctrl-C."""
    fields = given(
        host=host,
        port=port,
        callback_url=callback,
        callback_ca=callback_ca,
        public_url=public_url,
        id_domain=id_domain,
        tls_cert=tls_cert,
        tls_key=tls_key,
        clock_offset=clock_offset,
        seed=seed,
    )
    if changes:
        # The environment first: what the command line does not name stays as the environment says.
        fields["behavior"] = Settings().behavior.model_dump() | pairs(changes)
    asyncio.run(_serve(Settings(**fields)))


async def _serve(settings: Settings) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with SimulatorServer(settings) as server:
        print(welcome(server.url, server.simulator.state.links.root, settings), flush=True)
        ends = {asyncio.create_task(stop.wait()), asyncio.create_task(server.stopped())}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
