"""Which kind has which condition, when it begins and when it ends: a condition never outlives its cause.

Belongs here: the table, for people and for tests. Does not belong here: judging (`talkdesk_operator.domain`).
"""

from dataclasses import dataclass
from typing import Final

from talkdesk_crds.conditions import ConditionType

__all__ = ["RULES", "ConditionRule"]

_ALL: Final = ("TalkdeskApp", "TalkdeskInstallation", "TalkdeskTenant")
_OF_INSTALLATION: Final = ("TalkdeskInstallation",)
_OF_TENANT: Final = ("TalkdeskTenant",)
_ALWAYS: Final = "with the first reconcile"
_NEVER: Final = "never: each reconcile says it anew"


@dataclass(frozen=True, slots=True)
class ConditionRule:
    """How long a condition is shown."""

    kinds: tuple[str, ...]
    """The kinds that have it."""
    begins: str
    """When it is shown for the first time."""
    ends: str
    """When it is no longer shown, or what it says for good from when on."""


RULES: Final[dict[ConditionType, ConditionRule]] = {
    ConditionType.READY: ConditionRule(_ALL, _ALWAYS, _NEVER),
    ConditionType.RECONCILING: ConditionRule(("TalkdeskInstallation", "TalkdeskTenant"), _ALWAYS, _NEVER),
    ConditionType.STALLED: ConditionRule(
        _ALL, "with the first reconcile; at an app when it can't be read", "False with the reconcile that goes on"
    ),
    ConditionType.CREDENTIALS_VALID: ConditionRule(
        _OF_INSTALLATION, _ALWAYS, "False with the reason CredentialsDeleted, at the end of the installation"
    ),
    ConditionType.TENANT_READY: ConditionRule(
        _OF_INSTALLATION,
        _ALWAYS,
        "False: Superseded while another installation has the tenant, Purged once everything is deleted; not shown "
        "after the end of an installation for which no tenant was made",
    ),
    ConditionType.ANSWERED: ConditionRule(
        _OF_INSTALLATION, _ALWAYS, "with the next request, for which it is said anew"
    ),
    ConditionType.USERS_SYNCED: ConditionRule(
        _OF_INSTALLATION,
        "with the first reconcile while the app has `users.scim`",
        "when the app has no `users.scim` any more, when another installation has the tenant, and after the end as "
        "soon as nobody is left to deactivate",
    ),
    ConditionType.IN_SYNC: ConditionRule(
        _OF_INSTALLATION,
        "when Talkdesk's state does not agree with the answer",
        "True when it agrees again; not shown from the next request, the uninstall or the end on",
    ),
    ConditionType.DEADLINE_NEAR: ConditionRule(
        _OF_INSTALLATION, "when a mark before the deadline passes", "False as soon as nothing waits for an answer"
    ),
    ConditionType.NOTIFICATIONS_OVERDUE: ConditionRule(
        _OF_INSTALLATION,
        "when a notification could not be delivered for a day, or was given up",
        "with the next delivery to that endpoint, or when the app does not have the endpoint any more",
    ),
    ConditionType.DELETION_BLOCKED: ConditionRule(
        ("TalkdeskApp",), "when the app is deleted and has customers left", "with the last of them"
    ),
    ConditionType.DELETION_PENDING: ConditionRule(
        ("TalkdeskApp",), "when an edit of the app will offboard or purge tenants", "when it is done or taken back"
    ),
    ConditionType.PRUNE_HELD: ConditionRule(
        _OF_TENANT,
        "when an object that left the template is kept",
        "when none is kept any more, and with the offboarding, which deletes or retains all",
    ),
    ConditionType.ORPHANED: ConditionRule(
        _OF_TENANT, "when no installation claims a tenant that was not uninstalled", "when one does"
    ),
    ConditionType.ACCESS_READY: ConditionRule(
        ("TalkdeskApp",),
        "with the first reconcile that finds a valid template",
        "while the template is invalid; what is missing is looked for again every 20 seconds, all else every 10 "
        "minutes and after each change of the app",
    ),
    ConditionType.READINESS_ASSUMED: ConditionRule(
        ("TalkdeskApp",), "when the template has a custom kind without `readyWhen`", "when it has none"
    ),
    ConditionType.ROLLED_OUT: ConditionRule(
        ("TalkdeskApp",), "with the first reconcile of an app whose template is understood", _NEVER
    ),
    ConditionType.CONTESTED: ConditionRule(
        _OF_TENANT,
        "when somebody else changes an object again and again",
        "when that has stopped, and with the offboarding",
    ),
}
