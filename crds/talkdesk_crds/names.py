"""Names the API server sees: group, labels, annotations, finalizer, and how object names derive from Talkdesk's ids.

Ids are opaque strings of unknown alphabet and length, so a name that is not a DNS label as it stands is
sanitised and gets a hash of the whole, which keeps two different ids apart.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

GROUP: Final = "appconnect.talkdesk.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

FINALIZER: Final = f"{GROUP}/tenant"
"""On every TalkdeskInstallation, so that a deletion is seen before the object is gone."""

LABEL_APP: Final = f"{GROUP}/app"
"""Name of the TalkdeskApp."""
LABEL_INSTALLATION: Final = f"{GROUP}/installation"
"""Name of the TalkdeskInstallation that a credentials Secret belongs to."""
LABEL_TENANT: Final = f"{GROUP}/tenant"
"""Name of the TalkdeskTenant that an object belongs to."""
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "talkdesk-operator"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
COMPONENT_USERS: Final = "users"
"""On Secrets that say which user of a tenant is which at the SCIM service."""

ANNOTATION_EVENT_TIME: Final = f"{GROUP}/event-time"
"""When Talkdesk made the event that brought the credentials in a Secret: tells the credentials of an installation that
ended from those of one that comes after it under the same id."""
ANNOTATION_STEP: Final = f"{GROUP}/step"
"""Name of the template step that made a tenant's object."""

ANNOTATION_RECONCILE: Final = f"{GROUP}/reconcile-requested-at"
"""On a TalkdeskInstallation or a TalkdeskTenant: any new value has it reconciled at once, as at a resync."""

FIELD_MANAGER: Final = "talkdesk-operator"
FIELD_MANAGER_WEBHOOK: Final = "talkdesk-webhook"

SECRET_TYPE: Final = f"{GROUP}/credentials"
"""`type` of the Secrets that hold one version of an installation's OAuth credentials."""
USERS_TYPE: Final = f"{GROUP}/users"
"""`type` of the Secrets that say which user of a tenant is which at the SCIM service."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_LENGTH = 63
_HASH_LENGTH = 10


def digest(*parts: str, length: int = _HASH_LENGTH) -> str:
    """Return `length` hex digits that differ whenever the list of parts differs."""
    joined = "\0".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def is_dns_label(name: str) -> bool:
    """Return whether `name` is an RFC 1123 label: at most 63 of a-z, 0-9 and inner hyphens."""
    return _LABEL.fullmatch(name) is not None


def dns_label(value: str, *, max_length: int = _LABEL_LENGTH) -> str:
    """Return `value` itself when it is a DNS label of that length, else a readable remnant and a hash of it."""
    return _join([value], value, max_length)


def installation_name(app: str, installation_id: str) -> str:
    """Name the TalkdeskInstallation: `<app>-<installation_id>` where that is a DNS label."""
    return _join([app, installation_id], f"{app}-{installation_id}", _LABEL_LENGTH)


def tenant_name(app: str, account_id: str) -> str:
    """Name the TalkdeskTenant: `<app>-<account_id>` where that is a DNS label; never the account's name."""
    return _join([app, account_id], f"{app}-{account_id}", _LABEL_LENGTH)


def secret_name(installation: str, material: Iterable[str]) -> str:
    """Name the Secret of one version of the credentials of the TalkdeskInstallation called `installation`.

    `material` is everything the Secret holds. Equal versions get equal names and different ones different names, so
    that "already exists" proves that the very same credentials are stored, with no right to read Secrets.
    """
    suffix = digest(installation, *material, length=16)
    return f"{installation[: _LABEL_LENGTH - 17].rstrip('-.')}-{suffix}"


def _join(parts: list[str], plain: str, max_length: int) -> str:
    # A part with a hyphen could make two different pairs look alike ("a-b"+"c", "a"+"b-c"): the part that is
    # Talkdesk's must then be told apart by a hash, which is only left out where no such doubt exists.
    unambiguous = len(parts) == 1 or "-" not in parts[-1]
    if unambiguous and len(plain) <= max_length and is_dns_label(plain):
        return plain
    remnant = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    remnant = remnant[: max_length - _HASH_LENGTH - 1].strip("-")
    suffix = digest(*parts)
    return f"{remnant}-{suffix}" if remnant else f"x{suffix}"
