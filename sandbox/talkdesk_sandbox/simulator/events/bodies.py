"""Bodies of the lifecycle events, field by field as Talkdesk's reference pages show them.

Belongs here: what each event says. Does not belong here: when it is sent, how it is signed.
"""

from datetime import datetime
from typing import Any, Literal

from talkdesk_sandbox.simulator.settings import Behavior
from talkdesk_sandbox.simulator.state.entities import Account, App, Change, Credentials, Installation, Trial, User
from talkdesk_sandbox.simulator.state.links import Links

JsonObject = dict[str, Any]
Content = tuple[JsonObject, JsonObject]
"""The data of an event, and the URLs in its `_links` beside those that every event has."""


def format_time(at: datetime, form: Literal["seconds", "milliseconds"]) -> str:
    """Return a time in one of the two forms of the examples."""
    if form == "seconds":
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+00:00"


def installed(
    installation: Installation, account: Account, credentials: Credentials, links: Links, behavior: Behavior
) -> Content:
    """Return data and links of app.installed: with credentials."""
    data = {
        **_ids(installation, account),
        **_secrets(credentials, behavior),
        "key_algorithm": credentials.key.algorithm,
    }
    return data, {
        "userinfo": f"{links.root}/users/me",
        "authorization": links.authorize_url(account.name),
        "tokens": links.token_url(account.name),
        "installation": links.installation(installation.app_id, installation.id),
    }


def updated(installation: Installation, account: Account, change: Change) -> Content:
    """Return data and links of app.updated: only what changes, and no `installation` link."""
    data = _ids(installation, account)
    users = {"adding": change.adding, "removing": change.removing}
    if shown := {key: ids for key, ids in users.items() if ids}:
        data["users"] = shown
    if wanted := change.subscription:
        adding: JsonObject = {"name": wanted.name}
        if wanted.licenses != installation.subscription.licenses:
            adding["licenses"] = str(wanted.licenses)
        data["subscription"] = {"adding": adding}
    return data, {}


def uninstalled(
    installation: Installation, account: Account, reason: JsonObject, links: Links, behavior: Behavior
) -> Content:
    """Return data and links of app.uninstalled: no credentials."""
    data = _ids(installation, account)
    match behavior.uninstall_reason_form:
        case "object":
            data["reason"] = reason
        case "string":
            data["reason"] = reason["message"]
        case "null":
            data["reason"] = None
        case "absent":
            pass
    return data, _installation_link(installation, links)


def trial_running(
    installation: Installation, trial: Trial, links: Links, time: Literal["seconds", "milliseconds"]
) -> Content:
    """Return data and links of app.trial_started and app.trial_extended; no account name."""
    data = {
        "installation_id": installation.id,
        "account_id": installation.account_id,
        "expires_at": format_time(trial.expires_at, time),
    }
    return data, _installation_link(installation, links)


def trial_ended(
    installation: Installation, trial: Trial, links: Links, time: Literal["seconds", "milliseconds"]
) -> Content:
    """Return data and links of app.trial_ended."""
    data, more = trial_running(installation, trial, links, time)
    data |= {
        "ended_at": format_time(trial.ended_at or trial.expires_at, time),
        "ended_reason": trial.ended_reason,
        "ended_by": "system" if trial.ended_reason == "trial_expired" else "user",
    }
    return data, more


def credentials_rotated(
    installation: Installation, account: Account, credentials: Credentials, links: Links, behavior: Behavior
) -> Content:
    """Return data and links of app.credentials_rotated: the new version."""
    data = {**_ids(installation, account), **_secrets(credentials, behavior)}
    if behavior.rotated_event_key_algorithm:
        data["key_algorithm"] = credentials.key.algorithm
    more = _installation_link(installation, links)
    if behavior.rotated_event_links:
        more |= {"authorization": links.authorize_url(account.name), "tokens": links.token_url(account.name)}
    return data, more


def user_logout(installation: Installation, user: User, links: Links) -> Content:
    """Return data and links of user.logout."""
    data = {
        "account_id": installation.account_id,
        "user_id": user.id,
        "user_email": user.email,
        "installation_id": installation.id,
    }
    return data, {"user": links.user(user.id), **_installation_link(installation, links)}


def envelope(
    event_id: str,
    event_type: str,
    app: App,
    created_at: str,
    content: Content,
    links: Links,
    behavior: Behavior,
) -> JsonObject:
    """Return a whole event. Examples of some events lack the version fields, and so do these."""
    data, more = content
    body: JsonObject = {"id": event_id, "created_at": created_at, "api_version": "1", behavior.type_field: event_type}
    if behavior.event_id_field:
        body["event_id"] = event_id
    body["app_id"] = app.id
    if event_type != "user.logout":
        body["app_version_id"] = app.version_id
    if event_type in _NAMES_VERSION:
        body["app_version_name"] = app.version_name
    body["data"] = data
    body["_links"] = {
        name: {"href": href}
        for name, href in {"root": links.root, "self": links.event(app.id, event_id), **more}.items()
    }
    return body


_NAMES_VERSION = frozenset({"app.installed", "app.updated", "app.uninstalled", "app.credentials_rotated"})


def _ids(installation: Installation, account: Account) -> JsonObject:
    return {"installation_id": installation.id, "account_id": account.id, "account_name": account.name}


def _secrets(credentials: Credentials, behavior: Behavior) -> JsonObject:
    return {
        "client_id": credentials.client_id,
        "client_secret": credentials.secret,
        "private_key": credentials.key.encode_private(behavior.private_key_form, behavior.private_key_armor),
        "public_key": credentials.key.encode_public(),
        "key_id": credentials.key_id,
    }


def _installation_link(installation: Installation, links: Links) -> JsonObject:
    return {"installation": links.installation(installation.app_id, installation.id)}
