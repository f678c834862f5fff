"""What happens to credentials: rotated, acknowledged.

Belongs here: operations on a `World` that replace an installation's credentials. Does not belong here: tokens.
"""

from datetime import datetime

from talkdesk_sandbox.simulator import events
from talkdesk_sandbox.simulator.lifecycle import LIVE
from talkdesk_sandbox.simulator.model import Credentials, Installation
from talkdesk_sandbox.simulator.world import ConflictError, NotFoundError, World


def rotate(world: World, installation: Installation, now: datetime, *, compromised: bool = False) -> Credentials:
    """Issue a new set: raises app.credentials_rotated. The old ones end after the grace, or at once if compromised.

    Raises ConflictError for an installation that is gone.
    """
    if installation.state not in LIVE:
        raise ConflictError(f"installation {installation.id!r} is {installation.state}: no rotation now")
    end = now if compromised else now + world.rules.rotation_grace
    for old in installation.credentials:
        old.ends_at = min(old.ends_at or end, end)
    issued = world.issue_credentials(installation, now)
    account = world.account_of(installation)
    content = events.credentials_rotated(installation, account, issued, world.links_of(account), world.rules)
    world.raise_event("app.credentials_rotated", installation, content, now)
    return issued


def acknowledge(world: World, installation: Installation, client_id: str, now: datetime) -> None:
    """Take the acknowledgement of the newest set: older sets end now.

    Raises NotFoundError for a client id that isn't the installation's, ConflictError when there is nothing to
    acknowledge or `acknowledge_client` wants the other client id.
    """
    if all(issued.client_id != client_id for issued in installation.credentials):
        raise NotFoundError("no such credentials")
    named_new = client_id == installation.current.client_id
    wanted = {"new": named_new, "old": not named_new, "either": True}[world.rules.acknowledge_client]
    rotated = len(installation.credentials) > 1
    if not wanted or not rotated or installation.current.acknowledged_at:
        raise ConflictError("the requested state conflicts with the current state")
    installation.current.acknowledged_at = now
    for old in installation.credentials[:-1]:
        old.ends_at = min(old.ends_at or now, now)
