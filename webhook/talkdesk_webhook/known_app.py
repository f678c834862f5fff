"""What the webhook needs of a TalkdeskApp, and reading it from the object.

Belongs here: which fields, and why an object can't be used. Does not belong here: where objects come from (apps,
app_list).
"""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from talkdesk_crds.allowed_hosts import allowed_hosts
from talkdesk_crds.app import Logout, SignatureVerification, TalkdeskApp
from talkdesk_crds.hosts import ForeignHostError, HostAllowList

__all__ = ["AppUnusable", "KnownApp", "read_app"]

_NO_TEMPLATE: Final = {"serviceAccountName": "none", "steps": [{"name": "none", "manifests": [{}]}]}


class AppUnusable(Exception):
    """The object can't be used; `str()` says why, and is fit for a log line."""


@dataclass(frozen=True, slots=True)
class KnownApp:
    """What the webhook needs of a TalkdeskApp."""

    namespace: str
    name: str
    app_id: str
    verify_signatures: bool
    hosts: HostAllowList
    logout: Logout | None = None
    signing_keys: tuple[str, ...] = ()
    """Ids of the keys that signed its events lately, as its status says."""


def read_app(raw: dict[str, Any], namespace: str, name: str, *, allow_insecure: bool) -> KnownApp:
    """Return what is needed of an object as the API server gives it; raise AppUnusable.

    Only with `allow_insecure` may an app allow plain http.
    """
    try:
        app = TalkdeskApp.read(_without_template(raw))
        required = app.spec.events.signature_verification is SignatureVerification.REQUIRED
        keys = () if app.status.events is None else app.status.events.signing_keys
        hosts, logout = allowed_hosts(app.spec, allow_insecure=allow_insecure), app.spec.logout
        if logout is not None and not allow_insecure:
            logout = logout.model_copy(update={"allow_insecure": False})
        return KnownApp(namespace, name, app.spec.app_id, required, hosts, logout, keys)
    except ForeignHostError as error:
        raise AppUnusable(f"the TalkdeskApp's endpoints can't be used: {error}") from None
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise AppUnusable(f"the TalkdeskApp is not understood at {where}") from None


def _without_template(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the object with a template that holds nothing: whatever is in it, events of the app are taken."""
    spec = raw.get("spec")
    if not isinstance(spec, dict):
        return raw
    return {**raw, "spec": {**spec, "tenant": _NO_TEMPLATE}}
