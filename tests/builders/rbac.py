"""What our accounts may do by the manifests, and what they did by the API server's audit log, in the same terms.

Some rights are never asked for by a request: subresources that exist for RBAC alone, which the admission policies check
(`manifests/base/policies.yaml`). They count as used when a policy let a request through for the sake of one:
`observed_policies` has each policy write that into the audit log.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from talkdesk_crds.names import GROUP

__all__ = [
    "ACCOUNTS",
    "AUDIT_POLICY",
    "Right",
    "audited",
    "exercised",
    "granted",
    "observed_policies",
    "refused",
    "right_in",
]

AUDIT_POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts"]}, {"level": "None"}],
}
"""What ServiceAccounts do, without bodies."""
ACCOUNTS: Final = frozenset({"talkdesk-operator", "talkdesk-webhook"})
_OURS: Final = re.compile(r"system:serviceaccount:[^:]+:(talkdesk-(?:operator|webhook))")
_ANY: Final = re.compile(r"system:serviceaccount:[^:]+:(.+)")
_FOR_EVERYBODY: Final = re.compile(r'allowed by ClusterRoleBinding "system:(basic-user|discovery|public-info-viewer)')
"""What Kubernetes gives to each ServiceAccount: discovery, /version, reviews of its own rights."""
_CHECK: Final = re.compile(
    r"(?:variables\.right|authorizer\s*\.group\('[^']+'\)\s*\.resource\('(?P<resource>\w+)'\))"
    r"\s*\.subresource\('(?P<part>\w+)'\)(?:\s*\.(?:namespace|name)\([\w.]+\))*\s*\.check\('update'\)\.allowed\(\)"
)
_REFUSAL: Final = re.compile(
    r'(?:\S+ )?(?:"(?P<name>[^"]+)" )?is forbidden: User "(?P<user>[^"]+)" cannot (?P<verb>\w+) resource'
    r' "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
)
_USED_RIGHT: Final = "right-"
Event = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Right:
    """One thing that an account may do; `resource` has the subresource behind a slash, `name` is empty for any."""

    account: str
    group: str
    resource: str
    verb: str
    name: str = ""

    def covers(self, other: "Right") -> bool:
        """Return whether it is as wide as the other, or wider."""
        return other in {self, replace(self, name=other.name)} and self.name in {"", other.name}


def granted(objects: Iterable[Mapping[str, Any]], *, accounts: frozenset[str]) -> set[Right]:
    """Return what these roles and bindings give to the accounts."""
    listed = list(objects)
    roles = {(each["kind"], each["metadata"]["name"]): each["rules"] for each in listed if "rules" in each}
    return {
        Right(subject["name"], group, resource, verb, name)
        for binding in listed
        if "roleRef" in binding
        for subject in binding["subjects"]
        if subject["name"] in accounts
        for rule in roles[binding["roleRef"]["kind"], binding["roleRef"]["name"]]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", ("",))
    }


def observed_policies(objects: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Have each admission policy note in the audit log which right it let a request through for."""
    made = [deepcopy(dict(each)) for each in objects]
    for policy in made:
        if policy["kind"] == "ValidatingAdmissionPolicy" and (notes := list(_notes(policy["spec"]))):
            policy["spec"]["auditAnnotations"] = notes
    return made


def _notes(spec: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    (resource,) = spec["matchConstraints"]["resourceRules"][0]["resources"]
    for number, validation in enumerate(spec["validations"]):
        checks = list(_CHECK.finditer(validation["expression"]))
        for check in checks:
            # A note can't ask for rights itself, so it says what the policy would with this one, and with none.
            enough = _assuming(validation["expression"], checks, check)
            without = _assuming(validation["expression"], checks, None)
            right = f"{check['resource'] or resource}/{check['part']}"
            note = f"(!({without}) && ({enough})) ? '{right}' : ''"
            yield {"key": f"{_USED_RIGHT}{number}-{check['part']}", "valueExpression": note}


def _assuming(expression: str, checks: list[re.Match[str]], allowed: re.Match[str] | None) -> str:
    """Return the expression with all checks denied but the one."""
    for check in reversed(checks):
        answer = "true" if check is allowed else "false"
        expression = expression[: check.start()] + answer + expression[check.end() :]
    return expression


def audited(log: Path) -> list[Event]:
    """Return what our two accounts did."""
    events = map(json.loads, log.read_text().splitlines())
    return [event for event in events if _OURS.fullmatch(event["user"].get("username", ""))]


def exercised(events: Iterable[Event]) -> set[Right]:
    """Return the rights that were used; those that each ServiceAccount has are left out."""
    return {right for event in events if _allowed(event) for right in (*_asked(event), *_noted(event))}


def refused(events: Iterable[Event]) -> set[Right]:
    """Return what was asked for in vain, for want of a right; an impersonated account is not looked at."""
    return {
        right
        for event in events
        if event.get("responseStatus", {}).get("code") == 403 and "impersonatedUser" not in event
        for right in _asked(event)
    }


def right_in(message: str) -> Right | None:
    """Return the right that is missing by this message of a 403, if one of our accounts lacks it."""
    found = _REFUSAL.match(message)
    ours = found and _OURS.fullmatch(found["user"])
    if not found or not ours:
        return None
    return Right(ours[1], found["group"], found["resource"], found["verb"], found["name"] or "")


def _allowed(event: Event) -> bool:
    return bool(event.get("annotations", {}).get("authorization.k8s.io/decision") == "allow")


def _asked(event: Event) -> Iterator[Right]:
    account = _account(event)
    if (impersonated := event.get("impersonatedUser")) is not None:
        # Whether the other may do it is not this account's business.
        if (other := _ANY.fullmatch(impersonated["username"])) is not None:
            yield Right(account, "", "serviceaccounts", "impersonate", other[1])
        return
    if _FOR_EVERYBODY.search(event.get("annotations", {}).get("authorization.k8s.io/reason", "")):
        return
    place = event.get("objectRef", {"resource": event["requestURI"]})
    resource = "/".join(part for part in (place["resource"], place.get("subresource")) if part)
    yield Right(account, place.get("apiGroup", ""), resource, event["verb"], place.get("name", ""))


def _noted(event: Event) -> Iterator[Right]:
    """Yield the rights for which an admission policy let it through; all, where one of several was enough."""
    if event.get("responseStatus", {}).get("code", 500) < 400:
        for key, value in event["annotations"].items():
            if key.partition("/")[2].startswith(_USED_RIGHT):
                yield Right(_account(event), GROUP, value, "update")


def _account(event: Event) -> str:
    found = _OURS.fullmatch(event["user"]["username"])
    assert found is not None
    return found[1]
