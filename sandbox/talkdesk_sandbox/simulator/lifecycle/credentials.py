"""What happens to an installation's credentials: issued, rotated, acknowledged, ended.

Belongs here: operations that add or end versions of credentials. Does not belong here: tokens (`oauth`).
"""

import secrets
from datetime import datetime

from talkdesk_sandbox.simulator.events import bodies
from talkdesk_sandbox.simulator.events.create import create_event
from talkdesk_sandbox.simulator.state.entities import Credentials, Installation
from talkdesk_sandbox.simulator.state.errors import ConflictError, NotFoundError
from talkdesk_sandbox.simulator.state.installation_state import LIVE
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState, new_id


def issue(state: TalkdeskState, installation: Installation, now: datetime) -> Credentials:
    """Issue a new version of an installation's credentials; the previous versions stay as they are."""
    key = state.key_pairs.make(state.behavior.key_algorithm)
    issued = Credentials(new_id(), new_id(), now, secrets.token_urlsafe(48), key)
    installation.credentials.append(issued)
    state.clients[issued.client_id] = (installation, issued)
    return issued


def rotate(
    state: TalkdeskState, installation: Installation, now: datetime, *, compromised: bool = False
) -> Credentials:
    """Issue a new version and create app.credentials_rotated.

    Previous versions end after the grace period, or at once if they are compromised.
    Raises ConflictError for an installation that is gone.
    """
    if installation.state not in LIVE:
        raise ConflictError(f"installation {installation.id!r} is {installation.state}: no rotation now")
    end = now if compromised else now + state.behavior.rotation_grace
    for old in installation.credentials:
        old.ends_at = min(old.ends_at or end, end)
    issued = issue(state, installation, now)
    account = state.account_of(installation)
    content = bodies.credentials_rotated(installation, account, issued, state.links_of(account), state.behavior)
    create_event(state, "app.credentials_rotated", installation, content, now)
    return issued


def acknowledge(state: TalkdeskState, installation: Installation, client_id: str, now: datetime) -> None:
    """Acknowledge the newest version: previous versions end now.

    Raises NotFoundError for a client id that isn't the installation's, ConflictError when there is nothing to
    acknowledge or `acknowledge_client` wants the other client id.
    """
    if all(issued.client_id != client_id for issued in installation.credentials):
        raise NotFoundError("no such credentials")
    named_new = client_id == installation.current.client_id
    wanted = {"new": named_new, "old": not named_new, "either": True}[state.behavior.acknowledge_client]
    rotated = len(installation.credentials) > 1
    if not wanted or not rotated or installation.current.acknowledged_at:
        raise ConflictError("the requested state conflicts with the current state")
    installation.current.acknowledged_at = now
    for old in installation.credentials[:-1]:
        old.ends_at = min(old.ends_at or now, now)


def end_all(installation: Installation, now: datetime) -> None:
    """End every version of an installation's credentials now."""
    for issued in installation.credentials:
        issued.ends_at = min(issued.ends_at or now, now)
