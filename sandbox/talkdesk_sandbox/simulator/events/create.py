"""Creating an event: id, time, envelope and body, put into the state's outbox.

Belongs here: what all events have in common. Does not belong here: what each event says (`bodies`), delivery.
"""

from datetime import datetime
from typing import Literal

import orjson

from talkdesk_sandbox.simulator.events.bodies import Content, envelope, format_time
from talkdesk_sandbox.simulator.state.entities import Event, Installation
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState, new_id


def create_event(
    state: TalkdeskState, event_type: str, installation: Installation, content: Content, now: datetime
) -> None:
    """Create an event of an installation from its data and links, and put it into the outbox."""
    event_id, app = new_id(), state.apps[installation.app_id]
    created_at = format_time(now, choose_time_form(state))
    links = state.links_of(state.account_of(installation))
    document = envelope(event_id, event_type, app, created_at, content, links, state.behavior)
    body = orjson.dumps(document)
    account_id = installation.account_id
    state.add_event(Event(event_id, event_type, app.id, account_id, installation.id, now, document, body))


def choose_time_form(state: TalkdeskState) -> Literal["seconds", "milliseconds"]:
    """Return the form of the next timestamp."""
    if state.behavior.timestamp_form == "random":
        return state.random.choice(("seconds", "milliseconds"))
    return state.behavior.timestamp_form
