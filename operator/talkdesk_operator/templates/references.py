"""Which variables an expression of a template may use, by where it stands.

Belongs here: scopes, and what is wrong with an expression by them. Does not belong here: the members of variables
(`variables`), what else a template may contain (`template`).
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from talkdesk_operator.templates.cel import Expression
from talkdesk_operator.templates.errors import Problem
from talkdesk_operator.templates.http_call import CompiledHttp
from talkdesk_operator.templates.leaves import Constant, MapNode, Node, expressions
from talkdesk_operator.templates.outputs import OUTPUTS, output_problems, steps_needed
from talkdesk_operator.templates.variables import unknown_members, unknown_variable

__all__ = [
    "ADDRESS_SCOPE",
    "CREDENTIALS",
    "ITEM",
    "NAME_SCOPE",
    "SECRET_SCOPE",
    "call_problems",
    "naming_problems",
    "reference_problems",
    "scope_problems",
    "use_of_outputs",
]

CREDENTIALS: Final = "credentials"
ITEM: Final = "item"
"""The variable that has the element of a step's `forEach`, in its manifests alone."""
ADDRESS_SCOPE: Final = frozenset({"app", "account", "installation", "subscription", "trial", "tenant", "sso"})
"""The variables of an address."""
NAME_SCOPE: Final = frozenset({"app", "account", "installation", "subscription", "trial"})
SECRET_SCOPE: Final = ADDRESS_SCOPE | {CREDENTIALS}
_NO_CREDENTIALS: Final = "credentials can only be used in data and stringData of a v1 Secret"


def scope_problems(node: Node, scope: AbstractSet[str], *, credentials: str = _NO_CREDENTIALS) -> Iterator[Problem]:
    """Yield what is wrong with the variables of all expressions; `credentials` says where those may be used."""
    for path, expression in expressions(node):
        yield from reference_problems(path, expression, scope, credentials=credentials)


def reference_problems(
    path: str, expression: Expression, scope: AbstractSet[str], *, credentials: str = _NO_CREDENTIALS
) -> Iterator[Problem]:
    """Yield what is wrong with the variables that an expression binds, or uses, and with the members of these."""
    for name in sorted(expression.bound & (SECRET_SCOPE | scope | {"object"})):
        yield Problem(path, f"{name} cannot be the variable of a comprehension")
    for name in sorted(expression.references - scope):
        if name == CREDENTIALS:
            yield Problem(path, credentials)
        else:
            yield Problem(path, unknown_variable(name, scope))
    for reason in unknown_members(expression, scope):
        yield Problem(path, reason)


def call_problems(http: CompiledHttp, called: AbstractSet[str]) -> Iterator[Problem]:
    """Yield what is wrong with the variables of a call."""
    for node in (http.url, http.headers):
        yield from scope_problems(node, ADDRESS_SCOPE)
    if http.body is not None:
        scope = SECRET_SCOPE if http.settings.credentials else ADDRESS_SCOPE
        where = "credentials can only be used in a body whose step says `credentials: true`"
        yield from scope_problems(http.body, scope | ({OUTPUTS} if called else set()), credentials=where)
        yield from use_of_outputs(http.body, called, in_secret=False) if called else ()


def use_of_outputs(node: Node, called: AbstractSet[str], *, in_secret: bool) -> Iterator[Problem]:
    """Yield what is wrong with the outputs that expressions use; `called` are the `http` steps before."""
    for path, expression in expressions(node):
        yield from (Problem(path, reason) for reason in output_problems(expression, called, in_secret=in_secret))


def naming_problems(metadata: Node) -> Iterator[Problem]:
    """Yield where outputs would name an object: which objects a tenant has is known before any service is called."""
    named = dict(metadata.items) if isinstance(metadata, MapNode) else {}
    for key in ("name", "namespace"):
        for path, expression in expressions(named.get(key, Constant(None))):
            if steps_needed([expression]):
                yield Problem(path, f"{OUTPUTS} cannot be used here: the names of objects must be known beforehand")
