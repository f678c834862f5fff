"""What is expected of each field of a TalkdeskApp."""

from typing import Any, Final

from builders.stack import APP, INSTALLATION, TENANT
from builders.stack_manifests import config_map
from fields.effects import NOTHING, Case, Effect, Said, objects, refused, said
from talkdesk_crds.names import ANNOTATION_IGNORE_FIELDS

__all__ = ["APP_CASES"]


def _app(words: str, reason: str = "TemplateInvalid") -> Said:
    return Said(APP, "Ready", rf"^False {reason}: .*{words}")


def _installation(words: str, reason: str, type_: str = "Ready") -> Said:
    return Said(INSTALLATION, type_, rf"^False {reason}: .*{words}")


def _template(words: str) -> Effect:
    """The template can't be used: the app says where it is wrong, and customers keep the revision that they have."""
    return said(_app(words))


def _hosts(words: str) -> Effect:
    """Talkdesk's hosts can't be used: app and installation say which, and objects stay as they are."""
    return said(_app(words), _installation(words, "TemplateInvalid"))


def _url(field: str) -> dict[str, Effect]:
    """A URL that leads nowhere is named with its field."""
    return {each: _hosts(rf"{field}: ") for each in ("with a password", "port 99999")}


UNREADABLE: Final = said(
    _app(r"values|manifests", "InvalidSpec"), _installation(r"more than 100 levels", "InvalidSpec")
)
_FOREIGN: Final = "after an edit of the TalkdeskApp: the installation's spec.endpoints.{}: .* is not among this app's"
_INSECURE: Final = _hosts(r"endpoints.api: .* needs endpoints.allowInsecure")
_NO_SCOPE: Final = said(_installation("the scope apps:read may be missing", "Forbidden"))
_UNKNOWN_SCOPE: Final = said(_installation("invalid_scope: .*auth.scopes", "RefusedByTalkdesk"))
_NO_COLOR: Final = said(
    _installation(r"tenant\.values\.color", "RenderFailed"),
    Said(TENANT, "Ready", r"^False RenderFailed: steps\[settings\].manifests\[0\].data.color: .*tenant.values.color"),
)
_NO_ACCOUNT: Final = said(
    _app("may not impersonate serviceaccounts", "AccessMissing"), _installation("forbidden", "AccessMissing")
)
_NO_SECRET: Final = said(
    _app("Secret", "UsersFailed"), _installation("SCIM service's token", "UsersFailed", "UsersSynced")
)
_NO_SCIM: Final = said(_installation(".", "(RenderFailed|UsersFailed|ScimUnavailable)", "UsersSynced"))
_NO_HOOK_KEY: Final = said(_app("step account: .*Secret ", "HookKeyMissing"))
_NOT_TOLD: Final = said(_app("notifications default: .*(Secret|secrets) ", "(NotificationKeyMissing|AccessMissing)"))
_NO_KEY: Final = said(_app("(Secret|secrets) |logout.url", "(LogoutKeyMissing|AccessMissing)"))
_UNSYNCED: Final = Effect(changes=r"conditions\.UsersSynced$|status\.users\.")
_DRIFTED: Final = config_map({"account": "x", "color": "x", "suspended": "x"})
_LEFT: Final[dict[str, Any]] = {
    **_DRIFTED,
    "metadata": {**_DRIFTED["metadata"], "annotations": {ANNOTATION_IGNORE_FIELDS: "/data"}},
}
_NUMBER: Final[dict[str, Any]] = {**_DRIFTED, "data": {"color": {"a": 1}}}
_NO_KIND: Final = {"apiVersion": "example.com/v1", "kind": "Nobody", "metadata": _DRIFTED["metadata"]}
_ELSEWHERE: Final = {**_DRIFTED, "metadata": {"name": "settings", "namespace": "default"}}

_MOVED: Final = r"spec\.objects\[|status\.(orphanedObjects|inventory|steps)\b"
"""The plan and the record of a tenant's objects."""

_UNSERVED: Final = said(
    Said(APP, "AccessReady", "^Unknown KindMissing: "), Said(TENANT, "Ready", r"^False \w+: .*"), changes=_MOVED
)
_RENAMED: Final = Effect(
    changes=rf"ConfigMap [\w-]+\.|{_MOVED}|conditions\.PruneHeld",
    leaves=rf"ConfigMap [\w-]+\.|{_MOVED}|conditions\.PruneHeld",
)
"""An object under another name is another object; the first is kept, and after the undoing the other one."""

APP_CASES: Final[dict[str, Case]] = {
    "appId": Case(refused("can't be changed")),
    "region": Case(refused("can't be given a region"), {"null": NOTHING}),
    "endpoints": Case(NOTHING, {"removed": refused("give either region or endpoints")}),
    "endpoints.api": Case(said(_installation(_FOREIGN.format("api"), "ForeignHost")), _url("endpoints.api")),
    "endpoints.token": Case(said(_installation(_FOREIGN.format("token"), "ForeignHost")), _url("endpoints.token")),
    "endpoints.allowInsecure": Case(_INSECURE),
    "events": Case(),
    "events.signatureVerification": Case(),
    "auth": Case(),
    "auth.method": Case(),
    "auth.scopes": Case(NOTHING, {"as many as there can be": _UNKNOWN_SCOPE}),
    "auth.scopes[]": Case(_UNKNOWN_SCOPE, {"removed": _NO_SCOPE, "empty": _NO_SCOPE, "spaces": _NO_SCOPE}),
    "approval": Case(),
    "approval.mode": Case(refused("needs mode: Manual")),
    "approval.rejectWhen": Case(),
    "approval.rejectWhen[]": Case(),
    "approval.rejectWhen[].expression": Case(said(_app("approval.rejectWhen"))),
    "approval.rejectWhen[].reason": Case(),
    "approval.onTenantFailure": Case(),
    "approval.automatic": Case(),
    "approval.automatic.decision": Case(),
    "approval.automatic.beforeDeadline": Case(),
    "deadline": Case(),
    "deadline.answerWithin": Case(),
    "deadline.warnBefore": Case(),
    "deadline.warnBefore[]": Case(),
    "deadline.gracePeriod": Case(),
    "tenant": Case(),
    "tenant.name": Case(
        said(_app("name: .* is not a DNS label")),
        {
            "removed": NOTHING,
            "null": NOTHING,
            "one character": NOTHING,
            "unknown": NOTHING,
            "an expression": NOTHING,
            "an open expression": _template("name: .*closing brace"),
            "a wrong expression": _template("name: no such variable: nobody"),
        },
    ),
    "tenant.serviceAccountName": Case(_NO_ACCOUNT),
    "tenant.objectScope": Case(),
    "tenant.values": Case(
        _NO_COLOR,
        {"nested 101": UNREADABLE},
        {"another color": ({"color": "red"}, objects(r"ConfigMap settings\.data\.color"))},
    ),
    "tenant.steps": Case(),
    "tenant.steps[]": Case(
        NOTHING,
        {
            "removed": Effect(
                says=(Said(TENANT, "PruneHeld", r"^True ObjectsOrphaned: .*ConfigMap .*/settings"),),
                changes=r"(spec\.objects|status\.(orphanedObjects|inventory|steps))\b",
            )
        },
    ),
    "tenant.steps[].name": Case(
        Effect(changes=r"annotations\.appconnect\.talkdesk\.dev/step$|\[ConfigMap settings\]\.step$|status\.steps\[")
    ),
    "tenant.steps[].manifests": Case(NOTHING, {"the first twice": _template(r"manifests\[1\]: is the same object")}),
    "tenant.steps[].manifests[]": Case(
        _template(r"steps\[settings\].manifests\[0\].apiVersion: is missing"),
        {"nested 101": UNREADABLE},
        {
            "other data": (_DRIFTED, objects(r"ConfigMap settings\.data\.")),
            "other data that are left to others": (
                _LEFT,
                objects(r"ConfigMap settings\..*annotations\..*/ignore-fields$"),
            ),
            "a map in the place of a text": (
                _NUMBER,
                said(Said(TENANT, "Ready", r"^False ApplyRefused: ConfigMap .*/settings: .*color")),
            ),
            "an unknown kind": (
                _NO_KIND,
                said(Said(TENANT, "Ready", r"^False \w+: Nobody .*"), changes=_MOVED),
            ),
            "another namespace": (
                _ELSEWHERE,
                said(
                    _app("default/settings", "OutsideTenant"),
                    Said(TENANT, "Ready", "^False OutsideTenant: .*default/settings"),
                    changes=_MOVED,
                ),
            ),
        },
    ),
    "tenant.steps[].manifests[].apiVersion": Case(_UNSERVED),
    "tenant.steps[].manifests[].kind": Case(_UNSERVED),
    "tenant.steps[].manifests[].metadata": Case(),
    "tenant.steps[].manifests[].metadata.name": Case(_RENAMED),
    "tenant.steps[].readyWhen": Case(
        _template(r"steps\[settings\].readyWhen: "),
        {"removed": NOTHING, "null": NOTHING},
        {"never of a ConfigMap, which has no status": ("false", NOTHING)},
    ),
    "tenant.steps[].onOffboard": Case(
        Effect(changes=r"\[ConfigMap settings\]\.onOffboard$"), {"removed": NOTHING, "null": NOTHING}
    ),
    "tenant.steps[].onRemove": Case(Effect(changes=r"\[ConfigMap settings\]\.onRemove$")),
    "tenant.steps[].conflictPolicy": Case(),
    "tenant.steps[].forEach": Case(said(_app("forEach"))),
    "tenant.steps[].includeWhen": Case(said(_app("includeWhen"))),
    "tenant.steps[].timeLimit": Case(),
    "tenant.httpHosts": Case(
        _template("httpHosts"), dict.fromkeys(("removed", "null", "empty", "the other way round"), NOTHING)
    ),
    "tenant.httpHosts[]": Case(_template("httpHosts")),
    "tenant.steps[].http": Case(refused("give either manifests or http"), {"an unknown member": NOTHING}),
    "tenant.steps[].http.url": Case(_template("http.url")),
    "tenant.steps[].http.secretRef": Case(),
    "tenant.steps[].http.secretRef.name": Case(_NO_HOOK_KEY),
    "tenant.steps[].http.secretRef.key": Case(_NO_HOOK_KEY),
    "tenant.steps[].http.caBundle": Case(
        _template("http.caBundle"), dict.fromkeys(("removed", "null", "empty"), NOTHING)
    ),
    "tenant.steps[].http.clientCertificateRef": Case(_NO_HOOK_KEY, {"removed": NOTHING, "null": NOTHING}),
    "tenant.steps[].http.clientCertificateRef.name": Case(_NO_HOOK_KEY),
    "tenant.steps[].http.timeout": Case(),
    "tenant.steps[].http.pollingTimeout": Case(),
    "tenant.steps[].http.headers": Case(),
    "tenant.steps[].http.body": Case(),
    "tenant.steps[].http.credentials": Case(),
    "tenant.steps[].http.onRefusal": Case(),
    "tenant.steps[].http.allowInsecure": Case(said(Said(TENANT, "Ready", "^False RenderFailed: .*http.url"))),
    "tenant.valuesSchema": Case(
        NOTHING,
        {"nested 101": UNREADABLE},
        {
            "no schema": ({"type": "nobody"}, said(_app("valuesSchema", r"\w+"))),
            "another type": (
                {"properties": {"color": {"type": "integer"}}},
                said(Said(TENANT, "Ready", "^False ValuesInvalid: .*color")),
            ),
        },
    ),
    "templateRollout": Case(),
    "templateRollout.canary": Case(),
    "templateRollout.canary.count": Case(),
    "templateRollout.canary.selector": Case(),
    "templateRollout.canary.selector.matchLabels": Case(),
    "templateRollout.maxUnavailable": Case(),
    "templateRollout.pauseAfterFailures": Case(),
    "templateRollout.paused": Case(),
    "templateRollout.policy": Case(),
    "templateRollout.revision": Case(refused("revision needs policy: Pinned")),
    "templateRollout.revisionHistoryLimit": Case(),
    "users": Case(NOTHING, {"removed": _UNSYNCED, "null": _UNSYNCED, "empty": _UNSYNCED}),
    "users.scim": Case(NOTHING, {"removed": _UNSYNCED, "null": _UNSYNCED}),
    "users.scim.url": Case(_NO_SCIM),
    "users.scim.tokenSecretRef": Case(),
    "users.scim.tokenSecretRef.name": Case(_NO_SECRET),
    "users.scim.tokenSecretRef.key": Case(_NO_SECRET),
    "users.scim.onOffboard": Case(),
    "users.scim.timeout": Case(),
    "users.scim.concurrency": Case(),
    "users.scim.allowInsecure": Case(_NO_SCIM),
    "users.scim.preset": Case(),
    "users.scim.attributes": Case(),
    "users.scim.attributes[]": Case(),
    "users.scim.avoid": Case(),
    "users.scim.avoid[]": Case(),
    "logout": Case(),
    "logout.url": Case(_NO_KEY),
    "logout.secretRef": Case(),
    "logout.secretRef.name": Case(_NO_KEY),
    "logout.secretRef.key": Case(),
    "logout.timeout": Case(),
    "logout.allowInsecure": Case(),
    "notifications": Case(),
    "notifications[]": Case(),
    "notifications[].name": Case(),
    "notifications[].url": Case(
        said(_app("notifications default: ", "(NotificationKeyMissing|InvalidSpec)")),
        {"the longest": NOTHING, "nobody": NOTHING},  # they lead to the host that the key is released for
    ),
    "notifications[].secretRef": Case(),
    "notifications[].secretRef.name": Case(_NOT_TOLD),
    "notifications[].secretRef.key": Case(_NOT_TOLD),
    "notifications[].events": Case(),
    "notifications[].events[]": Case(),
    "notifications[].filter": Case(
        said(_app("notifications default: filter: ", "InvalidSpec")), {"removed": NOTHING, "null": NOTHING}
    ),
    "notifications[].timeout": Case(),
    "notifications[].giveUpAfter": Case(),
    "notifications[].caBundle": Case(
        said(_app("notifications default: caBundle", "InvalidSpec")),
        dict.fromkeys(("removed", "null", "empty"), NOTHING),
    ),
    "notifications[].clientCertificateRef": Case(_NOT_TOLD, {"removed": NOTHING, "null": NOTHING}),
    "notifications[].clientCertificateRef.name": Case(_NOT_TOLD),
    "notifications[].allowInsecure": Case(said(_app("notifications default: url is plain http", "InvalidSpec"))),
    "trial": Case(),
    "trial.onEnd": Case(),
    "license": Case(),
    "license.onSuspended": Case(),
    "license.onRevoked": Case(),
    "uninstall": Case(),
    "uninstall.approvalTiming": Case(),
    "uninstall.offboardTimeout": Case(),
    "uninstall.confirmAfter": Case(),
    "retention": Case(),
    "retention.keepFor": Case(),
    "retention.historyTTL": Case(),
    "resyncPeriod": Case(),
    "paused": Case(
        said(Said(INSTALLATION, "Ready", r"^False Paused: .*paused")),
        {"false": NOTHING, "removed": NOTHING, "null": NOTHING},
    ),
}
