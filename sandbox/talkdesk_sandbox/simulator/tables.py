"""What the command line shows to people: plain aligned tables and one-line messages.

Belongs here: turning results into text. Does not belong here: printing, asking.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from talkdesk_sandbox.simulator import results
from talkdesk_sandbox.simulator.durations import format_duration
from talkdesk_sandbox.simulator.settings import Behaviour, Settings


def welcome(url: str, public_url: str, settings: Settings) -> str:
    """Return where things are when a simulator has started."""
    callback = settings.callback_url or "nowhere yet (give an app a callback: talkdesk-simulator app ID --callback URL)"
    return "\n".join(
        (
            f"simulator     {url}",
            f"_links.root   {public_url}",
            f"events go to  {callback}",
            f"control API   {url}/_control/state (talkdesk-simulator state --url {url})",
        )
    )


def problems(problem: ValidationError) -> Iterable[str]:
    """Return what is wrong with arguments, one line each, without their values."""
    for detail in problem.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part) for part in detail["loc"])
        yield f"{place}: {detail['msg']}" if place else detail["msg"]


def show(result: Any) -> str:
    """Show any result of the control client."""
    match result:
        case results.WorldView():
            return _world(result)
        case results.Outcome():
            events = ", ".join(f"{event.type} {event.id}" for event in result.events) or "no event"
            return f"{result.account_name}: installation {result.installation_id} is {result.state}; {events}"
        case results.ClockView():
            return f"{_time(result.now)} ({format_duration(result.offset)} ahead of real time)"
        case results.EventRef():
            return f"{result.type} {result.id} is on its way"
        case Behaviour():
            return "\n".join(f"{name}={value}" for name, value in result.model_dump(mode="json").items())
        case list():
            return _list(result)
        case None:
            return "done"
        case _:
            return str(result)


def explain_settings() -> str:
    """Return what each behaviour means, its values and its default."""
    default = Behaviour().model_dump(mode="json")
    properties = Behaviour.model_json_schema()["properties"]
    lines = []
    for name, field in Behaviour.model_fields.items():
        allowed = properties[name].get("enum") or properties[name].get("items", {}).get("enum")
        choice = f"  one of {', '.join(map(str, allowed))}" if allowed else ""
        lines += [f"{name} = {default[name]}{choice}", f"    {' '.join((field.description or '').split())}"]
    return "\n".join(lines)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Align columns; two spaces between them."""
    cells = [list(header), *([_safe(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def _list(rows: list[Any]) -> str:
    match rows[:1]:
        case []:
            return "none"
        case [results.DeliveryView()]:
            return table(
                ("EVENT", "TYPE", "STATE", "TRIES", "LAST", "MS", "NEXT"), [_delivery(delivery) for delivery in rows]
            )
        case [results.RecordView()]:
            return table(
                ("NO", "TIME", "ACCOUNT", "REQUEST", "STATUS", "EFFECT", "FAULT"), [_record(record) for record in rows]
            )
        case [results.FaultView()]:
            return table(("NO", "KIND", "HITS", "FIELDS"), [_fault(view) for view in rows])
        case [results.EventRef()]:
            return table(
                ("EVENT", "TYPE", "INSTALLATION", "TIME"),
                [(each.id, each.type, each.installation_id, _time(each.created_at)) for each in rows],
            )
        case _:
            return "\n".join(map(str, rows))


def _world(world: results.WorldView) -> str:
    header = ("ACCOUNT", "INSTALLATION", "STATE", "ANSWER UNTIL", "PLAN", "USERS", "TRIAL UNTIL", "ANSWERS")
    rows = [
        (
            each.account_name,
            each.id,
            each.state,
            _time(each.answer_until),
            f"{each.plan} ({each.type}, {each.licenses})",
            str(len(each.users)),
            each.trial_ended or _time(each.trial_until),
            " ".join(each.answers) or "-",
        )
        for each in world.installations
    ]
    return f"{_time(world.now)}  {world.public_url}\n" + (table(header, rows) if rows else "no installations")


def _delivery(delivery: results.DeliveryView) -> tuple[str, ...]:
    last = delivery.attempts[-1] if delivery.attempts else None
    outcome = "-" if last is None else str(last.status or last.error)
    latency = "-" if last is None else f"{last.latency * 1000:.1f}"
    return (
        delivery.event_id,
        delivery.type,
        delivery.state,
        str(len(delivery.attempts)),
        outcome,
        latency,
        _time(delivery.next_at),
    )


def _record(record: results.RecordView) -> tuple[str, ...]:
    return (
        str(record.sequence),
        _time(record.at),
        record.account or "-",
        f"{record.method} {record.path}",
        str(record.status or "-"),
        record.effect or "-",
        record.fault or "-",
    )


def _fault(view: results.FaultView) -> tuple[str, ...]:
    fields = view.fault.model_dump(mode="json", exclude_defaults=True, exclude={"kind"})
    shown = " ".join(f"{name}={value}" for name, value in fields.items())
    return str(view.number), view.fault.kind, str(view.hits), shown


def _time(at: datetime | None) -> str:
    return "-" if at is None else at.strftime("%Y-%m-%d %H:%M:%S")


def _safe(text: str) -> str:
    """Keep names from outside from moving the cursor or colouring the terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)
