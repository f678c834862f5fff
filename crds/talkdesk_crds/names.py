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

APP_FINALIZER: Final = f"{GROUP}/customers"
"""On a TalkdeskApp that has or had customers, so that it stays until the last of them is offboarded and purged."""

TENANT_FINALIZER: Final = f"{GROUP}/objects"
"""On every TalkdeskTenant, so that the record of a tenant's objects stays as long as they do, with what people set in
it."""

LABEL_APP: Final = f"{GROUP}/app"
"""Name of the TalkdeskApp."""
LABEL_INSTALLATION: Final = f"{GROUP}/installation"
"""Name of the TalkdeskInstallation that a credentials Secret belongs to."""
LABEL_TENANT: Final = f"{GROUP}/tenant"
"""Name of the TalkdeskTenant that an object belongs to."""
LABEL_NAMESPACE: Final = f"{GROUP}/namespace"
"""Namespace of the TalkdeskTenant that an object belongs to: apps of one name may be in several."""
LABEL_SHARD_SLOT: Final = f"{GROUP}/shard-slot"
"""Which part of all accounts an object's account is in, 0 to 63 (`shard_slots`): replicas that share the accounts watch
by it."""
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "talkdesk-operator"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
COMPONENT_USERS: Final = "users"
COMPONENT_HOOKS: Final = "hooks"
"""On Secrets that say which user of a tenant is which at the SCIM service."""

ANNOTATION_EVENT_TIME: Final = f"{GROUP}/event-time"
"""When Talkdesk made the event that brought the credentials in a Secret: tells the credentials of an installation that
ended from those of one that comes after it under the same id."""
ANNOTATION_EVENT_ID: Final = f"{GROUP}/event-id"
"""Id of that event; with the origin it tells which of two versions of the same instant wins."""
ANNOTATION_ORIGIN: Final = f"{GROUP}/origin"
"""What that event was, Install or Rotation."""
ANNOTATION_RECEIVE_TIMES: Final = f"{GROUP}/receive-times"
"""On a TalkdeskInstallation: when each event was first received whose own time could not be believed, as a JSON object
by event id. That time counts for all its deliveries."""
ANNOTATION_OWNER: Final = f"{GROUP}/owner"
"""Which TalkdeskTenant a tenant's object belongs to, exactly: `<namespace>/<name>/<uid>`."""
ANNOTATION_STEP: Final = f"{GROUP}/step"
"""Name of the template step that made a tenant's object."""

ANNOTATION_ON_REMOVE: Final = f"{GROUP}/on-remove"
"""On an object of a template, Retain or Delete: what becomes of it when it leaves the template; goes before the step's
`onRemove`."""

ANNOTATION_RECREATE: Final = f"{GROUP}/recreate"
"""On an object of a template: `true` has it deleted and made anew when the template changes what can't be changed in an
object that exists."""

ANNOTATION_IGNORE_FIELDS: Final = f"{GROUP}/ignore-fields"
"""On an object of a template, JSON Pointers such as `/spec/replicas` with commas between them: fields that have the
template's value when the object is made, and are left to whoever changes them afterwards."""

ANNOTATION_VERSIONS: Final = f"{GROUP}/versions"
"""On an operator's Lease that was given back: the newest resourceVersion that its last holder had seen of each kind, as
a JSON object. The next leader acts when it has seen them too."""

ANNOTATION_SHARDS: Final = f"{GROUP}/shards"
"""On the Lease of the operator's first shard: into how many shards all accounts are divided; absent for one."""
ANNOTATION_FORMER_SHARDS: Final = f"{GROUP}/former-shards"
"""On the same Lease while another division may still be at work, whose number of shards it is: nobody begins before."""
ANNOTATION_WANTED_BY: Final = f"{GROUP}/wanted-by"
"""On the Lease of a shard: the identity of a process that has fewer, and asks for this one."""

ANNOTATION_RECONCILE: Final = f"{GROUP}/reconcile-requested-at"
"""On a TalkdeskInstallation or a TalkdeskTenant: any new value has it reconciled at once, as at a resync."""

ANNOTATION_CONFIRM_DELETION: Final = f"{GROUP}/confirm-deletion"
"""On a TalkdeskInstallation that has not ended, or a TalkdeskTenant in use: only with the value `true` may it be
deleted (a policy). On a TalkdeskApp: the value is the generation whose edit may delete at once."""

ANNOTATION_KEEP_USERS: Final = f"{GROUP}/keep-users"
"""On a TalkdeskTenant: with the value `true`, its users stay as they are at the SCIM service when it is offboarded or
deleted. The way out where the service is gone for good."""

ANNOTATION_KEEP_SERVICES: Final = f"{GROUP}/keep-services"
"""On a TalkdeskTenant: with the value `true`, services of `http` steps keep what they have of it when it is offboarded
or deleted, and are not called for that. The way out where a service is gone for good."""

ANNOTATION_FOR_HOSTS: Final = f"{GROUP}/for-hosts"
"""On a Secret that a TalkdeskApp names (`tokenSecretRef`, `secretRef`): the hosts for which it may be used, separated
by commas, such as `app.example.com,*.example.net,scim.internal:8443`. A star stands for one label."""

ANNOTATION_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl's copy of an object that was applied by hand, with all that is in its spec."""

FIELD_MANAGER: Final = "talkdesk-operator"
FIELD_MANAGER_WEBHOOK: Final = "talkdesk-webhook"

SECRET_TYPE: Final = f"{GROUP}/credentials"
"""`type` of the Secrets that hold one version of an installation's OAuth credentials."""
USERS_TYPE: Final = f"{GROUP}/users"
"""`type` of the Secrets that say which user of a tenant is which at the SCIM service."""
HOOKS_TYPE: Final = f"{GROUP}/hooks"
"""`type` of the Secrets that say what partners' services have of a tenant, with their outputs."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_LENGTH: Final = 63
HASH_LENGTH: Final = 10


def digest(*parts: str, length: int = HASH_LENGTH) -> str:
    """Return `length` hex digits that differ whenever the list of parts differs."""
    joined = "\0".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def is_dns_label(name: str) -> bool:
    """Return whether `name` is an RFC 1123 label: at most 63 of a-z, 0-9 and inner hyphens."""
    return _LABEL.fullmatch(name) is not None


def dns_label(value: str, *, max_length: int = LABEL_LENGTH) -> str:
    """Return `value` itself when it is a DNS label of that length, else a readable remnant and a hash of it."""
    return _join([value], value, max_length)


def installation_name(app: str, installation_id: str) -> str:
    """Name the TalkdeskInstallation: `<app>-<installation_id>` where that is a DNS label."""
    return _join([app, installation_id], f"{app}-{installation_id}", LABEL_LENGTH)


def tenant_name(app: str, account_id: str) -> str:
    """Name the TalkdeskTenant: `<app>-<account_id>` where that is a DNS label; never the account's name."""
    return _join([app, account_id], f"{app}-{account_id}", LABEL_LENGTH)


def secret_name(installation: str, material: Iterable[str]) -> str:
    """Name the Secret of one version of the credentials of the TalkdeskInstallation called `installation`.

    `material` is everything the Secret holds. Equal versions get equal names and different ones different names, so
    that "already exists" proves that the very same credentials are stored, with no right to read Secrets.
    """
    suffix = digest(installation, *material, length=16)
    return f"{installation[: LABEL_LENGTH - 17].rstrip('-.')}-{suffix}"


def _join(parts: list[str], plain: str, max_length: int) -> str:
    # A part with a hyphen could make two different pairs look alike ("a-b"+"c", "a"+"b-c"): the part that is
    # Talkdesk's must then be told apart by a hash, which is only left out where no such doubt exists.
    unambiguous = len(parts) == 1 or "-" not in parts[-1]
    if unambiguous and len(plain) <= max_length and is_dns_label(plain):
        return plain
    remnant = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    remnant = remnant[: max_length - HASH_LENGTH - 1].strip("-")
    suffix = digest(*parts)
    return f"{remnant}-{suffix}" if remnant else f"x{suffix}"
