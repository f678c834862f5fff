"""The variables of templates, rules and addresses with their members: what is misspelled is found at the app.

Belongs here: which members there are, and what is said of any other one. Does not belong here: their values
(`domain.tenant.desired`), which variables may be used where (`template`).
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from talkdesk_operator.templates.cel import Expression
from talkdesk_operator.templates.nearest import nearest

__all__ = ["MEMBERS", "unknown_members", "unknown_variable"]

MEMBERS: Final[dict[str, frozenset[str]]] = {
    "app": frozenset({"id", "name", "namespace", "region"}),
    "account": frozenset({"id", "name", "companyName", "timezone"}),
    "installation": frozenset({"id", "name", "appVersion", "createdBy"}),
    "subscription": frozenset({"type", "name", "licenses"}),
    "trial": frozenset({"state", "expirationTime"}),
    "tenant": frozenset({"name", "state", "suspended", "values"}),
    "sso": frozenset({"authorizationUrl", "tokenUrl", "jwksUrl", "userinfoUrl", "issuer", "scopes", "clientId"}),
    "credentials": frozenset({"clientId", "clientSecret", "privateKey", "keyId", "keyAlgorithm", "tokenUrl", "apiUrl"}),
    "request": frozenset({"type", "appVersion", "changes"}),
}
_FREE: Final = frozenset({("tenant", "values")})
"""What has members that a person chose."""


def unknown_variable(name: str, scope: AbstractSet[str]) -> str:
    """Return what is said of a variable that is not in the scope, with the nearest that is."""
    return f"no such variable: {name}{nearest(name, scope)} (there are {', '.join(sorted(scope))})"


def unknown_members(
    expression: Expression, scope: AbstractSet[str], members: Mapping[str, AbstractSet[str]] = MEMBERS
) -> Iterator[str]:
    """Yield what is wrong with each member that the expression selects of a variable, and that can't be there."""
    for chain in dict.fromkeys(expression.chains):
        known = members.get(chain[0]) if chain[0] in scope and chain[0] not in expression.bound else None
        if known is None or len(chain) == 1:
            continue
        if chain[1] not in known:
            alike, there_are = nearest(chain[1], known), ", ".join(sorted(known))
            yield f"no such member: {chain[0]}.{chain[1]}{alike} (there are {there_are})"
        elif len(chain) > 2 and chain[:2] not in _FREE:
            yield f"no such member: {'.'.join(chain[:3])} ({'.'.join(chain[:2])} has none)"
