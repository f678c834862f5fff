"""Bodies of the API's answers, field by field as Talkdesk's reference pages show them.

Belongs here: what each answer says. Does not belong here: who may read it, HTTP.
"""

import base64
import binascii
import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from talkdesk_sandbox.simulator.events import format_time
from talkdesk_sandbox.simulator.lifecycle import Verb, wire_state
from talkdesk_sandbox.simulator.links import Links
from talkdesk_sandbox.simulator.model import Account, App, Event, Installation, Trial, User
from talkdesk_sandbox.simulator.responses import ApiError
from talkdesk_sandbox.simulator.settings import Behaviour
from talkdesk_sandbox.simulator.signing import SigningKey

Json = dict[str, Any]
_LARGEST_PAGE = 1000
_SECRETS = frozenset({"client_secret", "private_key"})


def moment(at: datetime | None) -> str | None:
    """Write a time, or nothing."""
    return None if at is None else format_time(at, "seconds")


def signature_key(key: SigningKey, rules: Behaviour) -> Json:
    """Write a public signing key; `expires_at` only once it is replaced."""
    body: Json = {
        "public_key": key.public(rules.signature_key_form),
        "key_id": key.key_id,
        "created_at": moment(key.created_at),
    }
    if key.expires_at:
        body["expires_at"] = moment(key.expires_at)
    return body


def account(account: Account, links: Links) -> Json:
    """Write an account."""
    return {
        "id": account.id,
        "name": account.name,
        "company_name": account.company_name,
        "timezone": account.timezone,
        "created_at": moment(account.created_at),
        "_links": {"self": {"href": f"{links.root}/account"}, "users": {"href": f"{links.root}/users"}},
    }


def user(user: User, links: Links) -> Json:
    """Write a user."""
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "active": user.active,
        "gender": None,
        "extension": None,
        "external_phone_number": None,
        "created_at": moment(user.created_at),
        "_links": {"self": {"href": links.user(user.id)}},
    }


def user_page(users: Sequence[User], path: str, query: Mapping[str, str], links: Links, rules: Behaviour) -> Json:
    """Write one page of users, with `_links.next` while there are more. Raises ApiError for bad paging."""
    per_page = _number(query.get("per_page"), rules.page_size, _LARGEST_PAGE)
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
            name: {"href": f"{links.root}{path}?{urlencode(kept | _place(number, per_page, rules))}"}
            for name, number in hrefs.items()
        },
    }


def app(app: App, links: Links) -> Json:
    """Write an app."""
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


def event(event: Event, *, redacted: bool) -> Json:
    """Write an event for reading it again, with or without its secrets."""
    body = copy.deepcopy(event.document)
    if redacted:
        body["data"] = {name: value for name, value in body["data"].items() if name not in _SECRETS}
    return body


def installation(installation: Installation, scopes: list[str], links: Links, rules: Behaviour) -> Json:
    """Write an installation."""
    href = links.installation(installation.app_id, installation.id)
    return {
        "id": installation.id,
        "app_id": installation.app_id,
        "account_id": installation.account_id,
        "scopes": scopes,
        "auto_provision_filters": [{"filter": "none"}],
        "created_at": moment(installation.created_at),
        "_embedded": {
            "created_by": user(installation.created_by, links),
            "state": {
                "state": wire_state(installation.state, rules),
                "reason": installation.reason,
                "updated_at": moment(installation.updated_at),
            },
        },
        "_links": {
            "self": {"href": href},
            "account": {"href": f"{links.root}/account"},
            "subscription": {"href": f"{href}/subscription"},
            "users": {"href": f"{href}/users"},
        },
    }


def answered(installation: Installation, verb: Verb, path: str, links: Links, rules: Behaviour) -> Json:
    """Write the 200 of an answer, with the verb or the resulting state."""
    return {
        "state": verb.value if rules.state_echo == "verb" else wire_state(installation.state, rules),
        "reason": installation.reason,
        "updated_at": moment(installation.updated_at),
        "_links": {"self": {"href": links.root + path}},
    }


def subscription(installation: Installation) -> Json:
    """Write a subscription."""
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


def trial(installation: Installation, trial: Trial, links: Links) -> Json:
    """Write a trial."""
    href = links.installation(installation.app_id, installation.id)
    return {
        "state": "ended" if trial.ended_at else "started",
        "started_at": moment(trial.started_at),
        "expires_at": moment(trial.expires_at),
        "ended_at": moment(trial.ended_at),
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


def _place(page: int, per_page: int, rules: Behaviour) -> dict[str, str]:
    if rules.paging == "page":
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
