"""`make bench`: measures everything in one run, prints a table and writes JSON.

Belongs here: the order of things, and what the person sees. Does not belong here: the things.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import figures, images, restart, shards, start, users
from benchmarks.customers import Customers
from benchmarks.drifting import drift
from benchmarks.figures import Figure
from benchmarks.hooked import Hooked
from benchmarks.installs import Installs
from benchmarks.intake import Intake
from benchmarks.notifying import notifications
from benchmarks.profiles import report
from benchmarks.provisioning import Provisioning
from benchmarks.scale import FULL, QUICK, Scale
from benchmarks.sending import BenchFailed
from benchmarks.stage import WORK, Stage
from benchmarks.sweep import Sweep
from benchmarks.writes import BareWrites
from talkdesk_sandbox.controlplane import ControlPlaneError, ProgramsUnavailable

__all__ = ["main"]

_RESULTS: Final = Path(__file__).parents[2] / "bench-results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 0 when everything could be measured, met or not, 1 when not, 2 when something is to be installed."""
    options = _parser().parse_args(arguments)
    scale = QUICK if options.quick else FULL
    changes = {name: vars(options)[name] for name in ("rounds", "burst") if vars(options)[name]}
    scale = replace(scale, **changes)
    # Whatever proxy the person has, what is talked to here is on this machine.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    try:
        if options.images:
            _print(images.measure())
        elif options.shards:
            _print(shards.measure(options.accounts))
        elif options.start:
            _measure_start(options.accounts)
        elif options.notifications:
            _measure_notifications(scale)
        elif options.hook and not options.profile:
            _measure_calling(scale)
        elif options.profile:
            _profile(scale, calling=options.hook)
        else:
            _measure(scale, options.results)
    except ProgramsUnavailable as error:
        return _fail(str(error), 2)
    except (BenchFailed, ControlPlaneError) as error:
        return _fail(str(error), 1)
    return 0


def _measure(scale: Scale, results: Path) -> None:
    began, machine = datetime.now(UTC), figures.machine()
    _say("starting a control plane, webhook, operator and simulator")
    with Stage() as stage:
        customers, writes = _prepare(stage, scale)
        intake = Intake(stage, customers, writes, scale)
        provisioning = Provisioning(stage, customers, writes, scale)
        _say("webhook: events, and the same writes from a bare client")
        measured: list[Figure] = intake.measure()
        _say("operator: bursts of installs, and the same writes from a bare client")
        measured += provisioning.burst(intake.bare_connections)
        measured += provisioning.memory()
        _say("operator: installs at a steady rate")
        measured += provisioning.steady()
        _check(stage)
        _say("operator: notifications to an endpoint")
        measured += notifications(stage, customers, scale)
        _check(stage)
        _say("operator: objects that somebody changes")
        measured += drift(stage, scale.drifts)
        _say("operator: a sweep over all installations, with new ones meanwhile")
        measured += Sweep(stage, customers, scale).measure()
        _check(stage)
        measured += _calling(stage, customers, scale)
        _check(stage)
    _say("users: to a SCIM service, by the operator's part alone")
    measured += users.measure(scale.users)
    facts = {
        "began": f"{began:%Y-%m-%dT%H:%M:%SZ}",
        "seconds": round((datetime.now(UTC) - began).total_seconds()),
        "scale": asdict(scale),
        "fsync": False,
        "machine": machine,
    }
    path = figures.write(results, began, facts, measured)
    cores, load = machine["cores"], machine["loadAverageBefore"]
    sys.stdout.write(
        f"\n{figures.table(measured)}\n\n{machine['cpu']}, {cores} cores for everything, load before {load:.2f}, "
    )
    sys.stdout.write(f"Python {machine['python']}; etcd does not wait for the disk\n{path}\n")


def _measure_notifications(scale: Scale) -> None:
    with Stage() as stage:
        _print(notifications(stage, _prepare(stage, scale)[0], scale))


def _calling(stage: Stage, customers: Customers, scale: Scale) -> list[Figure]:
    _say("operator: installs that call a service, and the same without")
    hooked = Hooked(stage, customers)
    hooked.prepare(scale.warm_up)
    return hooked.measure(scale.hook_rounds, scale.burst)


def _measure_calling(scale: Scale) -> None:
    with Stage() as stage:
        customers, _ = _prepare(stage, scale)
        measured = _calling(stage, customers, scale)
        _check(stage)
    _print(measured)


def _measure_start(accounts: int) -> None:
    _say("the operator's own part, without an API server")
    measured = start.measure(accounts)
    _say("a new start of the real programs")
    measured += restart.measure(accounts)
    _print(measured)


def _print(measured: Sequence[Figure]) -> None:
    load = os.getloadavg()[0]
    sys.stdout.write(f"{figures.table(measured)}\n\nload {load:.2f}, {os.cpu_count()} cores for everything\n")


def _prepare(stage: Stage, scale: Scale) -> tuple[Customers, BareWrites]:
    """Let a few customers install, so that everything is connected and cached, and take the first as the pattern."""
    customers = Customers(stage, stage.read_app().spec.app_id)
    warm_up = customers.install(scale.warm_up)
    Installs(stage, customers).run(warm_up)
    return customers, BareWrites(stage, warm_up[0])


def _check(stage: Stage) -> None:
    """Raise BenchFailed unless every installation came to the end that it should."""
    installations = stage.get("talkdeskinstallations", f"--namespace={WORK}")["items"]
    unwell = [each["metadata"]["name"] for each in installations if each["status"].get("phase") != "Active"]
    if unwell:
        raise BenchFailed(f"{len(unwell)} of {len(installations)} installations are not Active: {unwell[:3]}")


def _profile(scale: Scale, *, calling: bool) -> None:
    _say("starting a control plane, webhook, operator and simulator, to be profiled")
    with tempfile.TemporaryDirectory(prefix="talkdesk-bench-") as folder, Stage(Path(folder)) as stage:
        customers, _ = _prepare(stage, scale)
        if calling:
            hooked = Hooked(stage, customers)
            hooked.prepare(scale.warm_up)
            customers = hooked.customers
        installs = customers.install(scale.burst)
        for program in ("webhook", "operator"):
            stage.toggle_profile(program)
        Installs(stage, customers).run(installs)
        for program in ("webhook", "operator"):
            stage.toggle_profile(program)
            sys.stdout.write(report(program, Path(folder, f"{program}.prof"), scale.burst))


def _say(what: str) -> None:
    sys.stderr.write(f"bench: {time.strftime('%H:%M:%S')} {what}\n")


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"bench: {message}\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="Measures speed on a local control plane.")
    parser.add_argument("--quick", action="store_true", help="a minute, to see that it works; the figures mean little")
    parser.add_argument("--profile", action="store_true", help="show instead where webhook and operator spend CPU")
    parser.add_argument("--hook", action="store_true", help="installs that call a service; with --profile, those")
    parser.add_argument("--shards", action="store_true", help="the same customers on one, two and four operators")
    parser.add_argument("--notifications", action="store_true", help="what notifications cost, and nothing else")
    parser.add_argument("--start", action="store_true", help="a start with many customers, and nothing else")
    parser.add_argument(
        "--images", action="store_true", help="size and start of the images that `make images` has made"
    )
    parser.add_argument(
        "--accounts",
        type=int,
        default=1000,
        help="customers who install before that; 10000 take ten times as long",
    )
    parser.add_argument("--rounds", type=int, help="pairs of limit and real thing")
    parser.add_argument("--burst", type=int, help="installs in a burst")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="folder for the JSON")
    return parser
