"""Events as the webhook takes them: bodies as Talkdesk posts them, read by the webhook's own code."""

from functools import cache

from builders import events
from builders.api_server import HOME
from model.talkdesk_truth import Happening, Trial, moment
from talkdesk_crds.events import UnknownEvent, UserLogout, parse_event
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.hosts import HostAllowList, Region
from talkdesk_webhook.event_record import EventRecord, record_of
from talkdesk_webhook.known_app import KnownApp

__all__ = ["ACCOUNT", "CANARY", "record"]

ACCOUNT = "acc1"
CANARY = "canary-made-up"
"""In each secret of the model; nobody may see it."""
_APP = KnownApp(HOME, "sentiment", "app-1", verify_signatures=False, hosts=HostAllowList.for_region(Region.US))
_TYPES = {
    "install": "app.installed",
    "update": "app.updated",
    "uninstall": "app.uninstalled",
    "rotate": "app.credentials_rotated",
    "trial-started": "app.trial_started",
    "trial-ended": "app.trial_ended",
}


def _of_trial(trial: Trial | None) -> dict[str, str]:
    if trial is None:
        return {}
    until = {"expires_at": to_wire_time(moment(trial.until))}
    return until if trial.ended < 0 else until | {"ended_reason": trial.reason}


@cache
def record(happening: Happening) -> EventRecord:
    """Return what the event leaves in the cluster."""
    data = {"installation_id": happening.installation, "account_id": ACCOUNT, "account_name": "acme"}
    material = {name: f"{CANARY}-{name}" for name in ("client_secret", "private_key")}
    issued = {"client_id": happening.client, "key_id": f"key-of-{happening.client}", "key_algorithm": "ES256"}
    body = events.event(
        _TYPES[happening.kind],
        data | (issued | material if happening.client else {}) | _of_trial(happening.trial),
        id=happening.id,
        app_id="app-1",
        created_at=to_wire_time(moment(happening.at)),
    )
    event = parse_event(body, moment(happening.at))
    assert not isinstance(event, UnknownEvent | UserLogout)
    return record_of(_APP, event)
