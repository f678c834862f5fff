"""Bodies of the API's responses, field by field as Talkdesk's reference pages show them.

Belongs here: what each response says. Does not belong here: who may read it, HTTP.
"""

import base64
import binascii
import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode

from talkdesk_sandbox.simulator.api.errors import ApiError
from talkdesk_sandbox.simulator.crypto.signing_keys import SigningKey
from talkdesk_sandbox.simulator.events.bodies import JsonObject, format_time
from talkdesk_sandbox.simulator.lifecycle.transitions import Verb
from talkdesk_sandbox.simulator.settings import Behavior
from talkdesk_sandbox.simulator.state.entities import Account, App, Event, Installation, Trial, User
from talkdesk_sandbox.simulator.state.installation_state import wire_state
from talkdesk_sandbox.simulator.state.links import Links

_LARGEST_PAGE = 1000
_SECRETS = frozenset({"client_secret", "private_key"})


def timestamp(at: datetime | None) -> str | None:
    """Return a time as the API writes it, or None."""
    return None if at is None else format_time(at, "seconds")


def signature_key(key: SigningKey, behavior: Behavior) -> JsonObject:
    """Return a public signing key; it has `expires_at` only after it was replaced."""
    body: JsonObject = {
        "public_key": key.public(behavior.signature_key_form),
        "key_id": key.key_id,
        "created_at": timestamp(key.created_at),
    }
    if key.expires_at:
        body["expires_at"] = timestamp(key.expires_at)
    return body


def account(account: Account, links: Links) -> JsonObject:
    """Return an account."""
    return {
        "id": account.id,
        "name": account.name,
        "company_name": account.company_name,
        "timezone": account.timezone,
        "created_at": timestamp(account.created_at),
        "_links": {"self": {"href": f"{links.root}/account"}, "users": {"href": f"{links.root}/users"}},
    }


def userinfo(user: User, subject: str) -> JsonObject:
    """Return what OpenID Connect calls userinfo."""
    return {"sub": subject, "id": user.id, "name": user.name, "email": user.email}


def user(user: User, links: Links) -> JsonObject:
    """Return a user."""
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "active": user.active,
        "gender": None,
        "extension": None,
        "external_phone_number": None,
        "created_at": timestamp(user.created_at),
        "_links": {"self": {"href": links.user(user.id)}},
    }


def user_page(
    users: Sequence[User], path: str, query: Mapping[str, str], links: Links, behavior: Behavior
) -> JsonObject:
    """Return one page of users, with `_links.next` while there are more. Raises ApiError for wrong paging."""
    per_page = _number(query.get("per_page"), behavior.page_size, _LARGEST_PAGE)
    page = _cursor(query["cursor"]) if "cursor" in query else _number(query.get("page"), 1, 1_000_000)
    shown = users[(page - 1) * per_page : page * per_page]
    pages = max(1, -(-len(users) // per_page))
    kept = {name: query[name] for name in ("active", "email") if name in query}
    hrefs = {"self": page, **({"next": page + 1} if page < pages else {})}
    return {
        "count": len(shown),
        "total": len(users),
        "page": page,
        "per_page": per_page,
        "total_pages": pages,
        "_embedded": {"users": [user(each, links) for each in shown]},
        "_links": {
            name: {"href": f"{links.root}{path}?{urlencode(kept | _place(number, per_page, behavior))}"}
            for name, number in hrefs.items()
        },
    }


def app(app: App, links: Links) -> JsonObject:
    """Return an app."""
    return {
        "id": app.id,
        "app_type": "standalone",
        "name": app.name,
        "display_name": app.name,
        "slug": app.name.lower().replace(" ", "-"),
        "version_number": app.version_name,
        "render": "portal",
        "sandbox": True,
        "urls": [],
        "subscription_types": ["trial", "paid"],
        "scopes": list(app.scopes),
        "_links": {"self": {"href": f"{links.root}/apps/{app.id}"}},
    }


def event(event: Event, *, redacted: bool) -> JsonObject:
    """Return an event to be read again, with or without its secrets."""
    body = copy.deepcopy(event.document)
    if redacted:
        body["data"] = {name: value for name, value in body["data"].items() if name not in _SECRETS}
    return body


def installation(installation: Installation, scopes: list[str], links: Links, behavior: Behavior) -> JsonObject:
    """Return an installation."""
    href = links.installation(installation.app_id, installation.id)
    return {
        "id": installation.id,
        "app_id": installation.app_id,
        "account_id": installation.account_id,
        "scopes": scopes,
        "auto_provision_filters": [{"filter": "none"}],
        "created_at": timestamp(installation.created_at),
        "_embedded": {
            "created_by": user(installation.created_by, links),
            "state": {
                "state": wire_state(installation.state, behavior),
                "reason": installation.reason,
                "updated_at": timestamp(installation.updated_at),
            },
        },
        "_links": {
            "self": {"href": href},
            "account": {"href": f"{links.root}/account"},
            "subscription": {"href": f"{href}/subscription"},
            "users": {"href": f"{href}/users"},
        },
    }


def answered(installation: Installation, verb: Verb, path: str, links: Links, behavior: Behavior) -> JsonObject:
    """Return the response to an accepted answer, with the verb or the resulting state."""
    return {
        "state": verb.value if behavior.state_echo == "verb" else wire_state(installation.state, behavior),
        "reason": installation.reason,
        "updated_at": timestamp(installation.updated_at),
        "_links": {"self": {"href": links.root + path}},
    }


def subscription(installation: Installation) -> JsonObject:
    """Return a subscription."""
    held = installation.subscription
    return {
        "id": installation.id,
        "type": held.type,
        "license_type": "individual",
        "name": held.name,
        "price": 0 if held.type == "trial" else 10,
        "description": f"The {held.name} plan",
        "listing_summary": held.name,
        "min_licenses": 1,
        "max_licenses": 1000,
        "total_licenses": held.licenses,
        "created_by": installation.created_by.id,
    }


def trial(installation: Installation, trial: Trial, links: Links) -> JsonObject:
    """Return a trial."""
    href = links.installation(installation.app_id, installation.id)
    return {
        "state": "ended" if trial.ended_at else "started",
        "started_at": timestamp(trial.started_at),
        "expires_at": timestamp(trial.expires_at),
        "ended_at": timestamp(trial.ended_at),
        "ended_reason": trial.ended_reason,
        "subscription_name": trial.subscription_name,
        "_links": {"self": {"href": f"{href}/trial"}, "installation": {"href": href}},
    }


def _number(text: str | None, missing: int, largest: int) -> int:
    if text is None:
        return missing
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= largest:
        raise ApiError(400, f"not a number from 1 to {largest}: {text[:20]!r}")
    return int(text)


def _place(page: int, per_page: int, behavior: Behavior) -> dict[str, str]:
    if behavior.paging == "page":
        return {"page": str(page), "per_page": str(per_page)}
    return {"cursor": base64.urlsafe_b64encode(f"p{page}".encode()).decode(), "per_page": str(per_page)}


def _cursor(text: str) -> int:
    try:
        place = base64.urlsafe_b64decode(text.encode()).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        place = ""
    if not place.startswith("p") or not place[1:].isdigit():
        raise ApiError(400, "not a cursor of this list")
    return int(place[1:])
