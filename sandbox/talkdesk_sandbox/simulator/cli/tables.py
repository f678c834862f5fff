"""What the command line prints for people: plain aligned tables and one-line messages.

Belongs here: turning views into text. Does not belong here: printing, requests.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from talkdesk_sandbox.simulator import views
from talkdesk_sandbox.simulator.durations import format_duration
from talkdesk_sandbox.simulator.settings import Behavior, Settings


def welcome(url: str, public_url: str, settings: Settings) -> str:
    """Return the URLs of a simulator that has started."""
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
    """Yield what is wrong with arguments, a line for each problem, without their values."""
    for detail in problem.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part) for part in detail["loc"])
        yield f"{place}: {detail['msg']}" if place else detail["msg"]


def show(result: Any) -> str:
    """Return any result of the control client as text."""
    match result:
        case views.StateView():
            return _state(result)
        case views.Outcome():
            events = ", ".join(f"{event.type} {event.id}" for event in result.events) or "no event"
            return f"{result.account_name}: installation {result.installation_id} is {result.state}; {events}"
        case views.ClockView():
            return f"{_time(result.now)} ({format_duration(result.offset)} ahead of real time)"
        case views.EventRef():
            return f"{result.type} {result.id} is on its way"
        case Behavior():
            return "\n".join(f"{name}={value}" for name, value in result.model_dump(mode="json").items())
        case list():
            return _list(result)
        case None:
            return "done"
        case _:
            return str(result)


def explain_settings() -> str:
    """Return what each setting means, its values and its default."""
    default = Behavior().model_dump(mode="json")
    properties = Behavior.model_json_schema()["properties"]
    lines = []
    for name, field in Behavior.model_fields.items():
        allowed = properties[name].get("enum") or properties[name].get("items", {}).get("enum")
        choice = f"  one of {', '.join(map(str, allowed))}" if allowed else ""
        lines += [f"{name} = {default[name]}{choice}", f"    {' '.join((field.description or '').split())}"]
    return "\n".join(lines)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows in aligned columns, two spaces between them."""
    cells = [list(header), *([_safe(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def _list(rows: list[Any]) -> str:
    match rows[:1]:
        case []:
            return "none"
        case [views.DeliveryView()]:
            return table(
                ("EVENT", "TYPE", "STATE", "TRIES", "LAST", "MS", "NEXT"), [_delivery(delivery) for delivery in rows]
            )
        case [views.RecordView()]:
            return table(
                ("NO", "TIME", "ACCOUNT", "REQUEST", "STATUS", "EFFECT", "FAULT"), [_record(record) for record in rows]
            )
        case [views.FaultView()]:
            return table(("NO", "KIND", "HITS", "FIELDS"), [_fault(view) for view in rows])
        case [views.EventRef()]:
            return table(
                ("EVENT", "TYPE", "INSTALLATION", "TIME"),
                [(each.id, each.type, each.installation_id, _time(each.created_at)) for each in rows],
            )
        case _:
            return "\n".join(map(str, rows))


def _state(state: views.StateView) -> str:
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
        for each in state.installations
    ]
    return f"{_time(state.now)}  {state.public_url}\n" + (table(header, rows) if rows else "no installations")


def _delivery(delivery: views.DeliveryView) -> tuple[str, ...]:
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


def _record(record: views.RecordView) -> tuple[str, ...]:
    return (
        str(record.sequence),
        _time(record.at),
        record.account or "-",
        f"{record.method} {record.path}",
        str(record.status or "-"),
        record.effect or "-",
        record.fault or "-",
    )


def _fault(view: views.FaultView) -> tuple[str, ...]:
    fields = view.fault.model_dump(mode="json", exclude_defaults=True, exclude={"kind"})
    shown = " ".join(f"{name}={value}" for name, value in fields.items())
    return str(view.number), view.fault.kind, str(view.hits), shown


def _time(at: datetime | None) -> str:
    return "-" if at is None else at.strftime("%Y-%m-%d %H:%M:%S")


def _safe(text: str) -> str:
    """Return text that can't move the cursor or change the terminal's colors."""
    return "".join(char if char.isprintable() else "?" for char in text)
