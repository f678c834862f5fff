"""What is said of an app's rights that are missing: words, YAML to copy, and the condition AccessReady.

Each Role has a name of its own for its rules, so that applying one takes away nothing that another gave. Belongs here:
words; pure. Does not belong here: which rights are needed (`access`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from talkdesk_crds.conditions import Condition, ConditionType, Reason
from talkdesk_operator.domain.reconcile.access import RBAC, RECORD_VERBS, AccessReport, Party, Place, Right
from talkdesk_runtime.shorten import shorten

__all__ = ["access_condition", "missing_in_words", "missing_in_yaml"]

_LONGEST: Final = 2048
"""Characters of a condition's message."""
_ROOM: Final = 1850
"""Characters of YAML in it."""
_WORDS: Final = 1800
_RULES: Final = 700
"""Characters of the rules of one Role: several Roles are shown as far as there is room, one is never cut."""
_LEFT_OUT: Final = "# {} more rights are missing; they are shown when these are granted.\n"
_SHOWN: Final = 5


def access_condition(report: AccessReport, generation: int, now: datetime) -> Condition:
    """Return the condition AccessReady of an app."""
    status, reason, message = _said(report)
    return Condition(
        type=ConditionType.ACCESS_READY,
        status=status,
        reason=reason,
        message=shorten(message, _LONGEST),
        last_transition_time=now,
        observed_generation=generation,
    )


def _said(report: AccessReport) -> tuple[str, Reason, str]:
    if report.missing:
        return "False", Reason.ACCESS_MISSING, missing_in_yaml(report.missing, report.place)
    if report.absent:
        more = f"; and {len(report.absent) - _SHOWN} more" if len(report.absent) > _SHOWN else ""
        kinds = "; ".join(report.absent[:_SHOWN]) + more
        return "Unknown", Reason.KIND_MISSING, f"waits for kinds of the template: {kinds}"
    not_known = "".join(f"; what {party} may do is not known here" for party in report.unknown)
    if report.unwatched:
        head = "# All rights to apply and delete are there. With these, drift is put right within seconds:\n"
        return "True", Reason.DRIFT_NOT_WATCHED, head + missing_in_yaml(report.unwatched, report.place)
    return "True", Reason.SUCCEEDED, f"no right is missing{not_known}"


def missing_in_words(missing: Sequence[Right]) -> str:
    """Return all missing rights in words; empty without any."""
    if not missing:
        return ""
    return shorten(f"rights are missing: {'; '.join(_words(missing))}", _WORDS)


def missing_in_yaml(missing: Sequence[Right], place: Place) -> str:
    """Return YAML that grants the missing rights, as far as a condition's message can hold it; empty without any."""
    text, left = "", 0
    for document, rights in _yaml(missing, place):
        part = f"---\n{document}" if text else document
        if left or len(text) + len(part) > _ROOM:
            left += rights
        else:
            text += part
    if not text:  # names that are this long leave room for words alone
        return missing_in_words(missing)
    return text + (_LEFT_OUT.format(left) if left else "")


def _words(missing: Iterable[Right]) -> Iterator[str]:
    grouped: dict[Right, list[str]] = {}
    for right in missing:
        key = Right(right.party, "", right.group, right.resource, right.namespace, right.name)
        grouped.setdefault(key, []).append(right.verb)
    for key, verbs in grouped.items():
        resource = f"{key.resource}.{key.group}" if key.group else key.resource
        named = f" {key.name}" if key.name else ""
        where = f"in the namespace {key.namespace}" if key.namespace else "in all namespaces"
        yield f"{key.party} may not {', '.join(verbs)} {resource}{named} {where}"


def _yaml(missing: Sequence[Right], place: Place) -> Iterator[tuple[str, int]]:
    """Yield documents that can be applied one by one, and how many rights each gives."""
    ours = [right for right in missing if right.party is Party.OPERATOR]
    records = [right for right in ours if right.resource == "secrets" and right.verb in RECORD_VERBS]
    for party, name in ((Party.OPERATOR, "talkdesk-operator"), (Party.WEBHOOK, "talkdesk-webhook")):
        given = [right for right in missing if right.party is party and not right.name and right not in records]
        if given:
            subject = f"{{kind: ServiceAccount, name: {name}, namespace: {place.system}}}"
            yield _binding("RoleBinding", name, place.namespace, ("ClusterRole", f"{name}-app"), subject), len(given)
    if records:
        yield _bound_role("talkdesk-operator", "talkdesk-operator-records", _rules(records)[0], place), len(records)
    for right in missing:
        if right.name:
            yield _for_one_object(right, place), 1
    theirs = [right for right in missing if right.party is Party.PROVISIONER]
    for namespace in dict.fromkeys(right.namespace for right in theirs):
        yield from _for_provisioner([right for right in theirs if right.namespace == namespace], namespace, place)


def _for_provisioner(missing: Sequence[Right], namespace: str, place: Place) -> Iterator[tuple[str, int]]:
    kind = "Role" if namespace else "ClusterRole"
    subject = f"{{kind: ServiceAccount, name: {place.service_account}, namespace: {place.namespace}}}"
    for rules in _parts(_rules(missing)):
        account = f"{place.namespace}-{place.service_account}"
        name = f"{account[:80]}-{sha256('/'.join((account, *rules)).encode()).hexdigest()[:8]}"
        bound = _binding(f"{kind}Binding", name, namespace, (kind, name), subject)
        rights = sum(rule.count(", ", rule.index("verbs: ")) + 1 for rule in rules)
        yield f"{_role(kind, name, namespace, rules)}---\n{bound}", rights


def _parts(rules: Sequence[str]) -> list[list[str]]:
    parts: list[list[str]] = []
    for rule in rules:
        if parts and len(rule) + sum(map(len, parts[-1])) <= _RULES:
            parts[-1].append(rule)
        else:
            parts.append([rule])
    return parts


def _rules(rights: Sequence[Right]) -> list[str]:
    """Return a rule for each group of resources with the same verbs."""
    verbs: dict[tuple[str, str], dict[str, None]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.resource), {})[right.verb] = None
    resources: dict[tuple[str, str], list[str]] = {}
    for (group, resource), each in verbs.items():
        resources.setdefault((group, ", ".join(each)), []).append(resource)
    return [
        f"{{apiGroups: ['{group}'], resources: [{', '.join(names)}], verbs: [{each}]}}"
        for (group, each), names in resources.items()
    ]


def _for_one_object(right: Right, place: Place) -> str:
    account = "talkdesk-operator" if right.party is Party.OPERATOR else "talkdesk-webhook"
    role = f"impersonate-{right.name}" if right.verb == "impersonate" else f"{account}-logout"
    names = f"resources: [{right.resource}], resourceNames: [{right.name}]"
    return _bound_role(account, role, f"{{apiGroups: [''], {names}, verbs: [{right.verb}]}}", place)


def _bound_role(account: str, role: str, rule: str, place: Place) -> str:
    """Return a Role in the app's namespace and its binding to an account of ours."""
    subject = f"{{kind: ServiceAccount, name: {account}, namespace: {place.system}}}"
    binding = _binding("RoleBinding", role, place.namespace, ("Role", role), subject)
    return f"{_role('Role', role, place.namespace, [rule])}---\n{binding}"


def _head(kind: str, name: str, namespace: str) -> str:
    metadata = f"{{name: {name}, namespace: {namespace}}}" if namespace else f"{{name: {name}}}"
    return f"apiVersion: {RBAC}/v1\nkind: {kind}\nmetadata: {metadata}\n"


def _role(kind: str, name: str, namespace: str, rules: Sequence[str]) -> str:
    return _head(kind, name, namespace) + "rules:\n" + "".join(f"- {rule}\n" for rule in rules)


def _binding(kind: str, name: str, namespace: str, role: tuple[str, str], subject: str) -> str:
    ref = f"roleRef: {{apiGroup: {RBAC}, kind: {role[0]}, name: {role[1]}}}\n"
    return _head(kind, name, namespace) + ref + f"subjects: [{subject}]\n"
