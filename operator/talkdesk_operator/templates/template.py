"""Tenant templates, checked and compiled once per revision.

Belongs here: what a template may contain, checked before it is used for any account. Does not belong here: rendering
(`render`), and a cache of compiled templates (`reconcilers.apps`).

Secrets stay in Secrets: `credentials` is refused everywhere except in `data` and `stringData` of a `v1` Secret. The
check uses the variables that the CEL library finds in the expression; and `render` evaluates all other leaves without
the variable `credentials`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from talkdesk_crds.names import GROUP
from talkdesk_crds.tenant_objects import MAX_PLANNED
from talkdesk_operator.templates.cel import Expression, ExpressionError, compile_expression
from talkdesk_operator.templates.duplicates import duplicate_objects
from talkdesk_operator.templates.errors import Problem, TemplateError, child
from talkdesk_operator.templates.leaves import Constant, Leaf, MapNode, Node, compile_leaf, compile_map, expressions
from talkdesk_operator.templates.limits import MAX_EXPRESSIONS
from talkdesk_operator.templates.manifest_metadata import OnOffboard, OnRemove, metadata_problems
from talkdesk_operator.templates.variables import unknown_members, unknown_variable
from talkdesk_operator.templates.warnings import fleeting_job, foreign_expressions, idle_ignored_fields

__all__ = [
    "ADDRESS_SCOPE",
    "CREDENTIALS",
    "ITEM",
    "CompiledManifest",
    "CompiledStep",
    "CompiledTemplate",
    "OnOffboard",
    "OnRemove",
    "StepSource",
    "reference_problems",
]

CREDENTIALS: Final = "credentials"
ITEM: Final = "item"
"""The variable that has the element of a step's `forEach`, in its manifests alone."""
ADDRESS_SCOPE: Final = frozenset({"app", "account", "installation", "subscription", "trial", "tenant", "sso"})
"""The variables of an address."""
_NAME_SCOPE: Final = frozenset({"app", "account", "installation", "subscription", "trial"})
_SCOPE: Final = ADDRESS_SCOPE
_SECRET_SCOPE: Final = _SCOPE | {CREDENTIALS}
_MANY_EXPRESSIONS: Final = 300
_LABEL: Final = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_API_VERSION: Final = re.compile(
    rf"(?:(?P<group>{_LABEL}(?:\.{_LABEL})*)/)?(?P<version>[a-z](?:[-a-z0-9]{{0,61}}[a-z0-9])?)"
)
_KIND: Final = re.compile(r"[A-Za-z][-A-Za-z0-9]{0,62}")


@dataclass(frozen=True, slots=True)
class StepSource:
    """One step of a template as it is in the TalkdeskApp."""

    name: str
    manifests: Sequence[Mapping[str, object]]
    ready_when: str | None = None
    """CEL over `object`."""
    on_offboard: OnOffboard = "Retain"
    adopt: bool = False
    on_remove: OnRemove | None = None
    """None leaves it to each object's kind."""
    include_when: str | None = None
    """CEL over the variables of an address: whether the customer gets the step's objects."""
    for_each: str | None = None
    """CEL over the same: a list, for each element of which the manifests are filled in, with it as `item`."""
    time_limit: timedelta | None = None
    """How long the step's objects may take to become ready."""


@dataclass(frozen=True, slots=True)
class CompiledManifest:
    """One manifest, ready to be rendered."""

    path: str
    group: str
    version: str
    kind: str
    tree: MapNode


@dataclass(frozen=True, slots=True)
class CompiledStep:
    """One step, ready to be rendered."""

    name: str
    manifests: tuple[CompiledManifest, ...]
    ready_when: Expression | None
    on_offboard: OnOffboard
    adopt: bool
    on_remove: OnRemove | None = None
    include_when: Expression | None = None
    for_each: Expression | None = None
    time_limit: timedelta | None = None


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """A valid template. Immutable; may be shared by all accounts."""

    revision: str
    name: Constant | Leaf
    """The tenant's name; text with `${ CEL }`."""
    steps: tuple[CompiledStep, ...]
    references: frozenset[str]
    """The variables that leaves outside Secrets' data need."""
    secret_references: frozenset[str]
    """The variables that the leaves which use `credentials` need; empty when there are none."""
    warnings: tuple[str, ...] = ()
    """What is most likely not meant."""
    may_be_long: bool = False
    """Whether rendering can take long with data of a usual size."""

    @classmethod
    def compile(cls, name_expression: str, steps: Sequence[StepSource], revision: str) -> Self:
        """Compile and check everything. Raises TemplateError with all problems.

        `name_expression` is text with `${ CEL }` for the tenant's name. `revision` is only stored.
        """
        if (objects := sum(len(step.manifests) for step in steps)) > MAX_PLANNED:
            raise TemplateError([Problem("steps", f"{objects} objects, of which a tenant can have {MAX_PLANNED}")])
        problems: list[Problem] = []
        name = compile_leaf(name_expression, "name", problems)
        problems.extend(_scope_problems(name, _NAME_SCOPE))
        compiled = tuple(_step(step, problems) for step in steps)
        names = [step.name for step in steps]
        problems.extend(
            Problem(f"steps[{step}]", "two steps have this name")
            for step in dict.fromkeys(names)
            if names.count(step) > 1
        )
        problems.extend(duplicate_objects((step.name, step.manifests) for step in steps))
        if problems:
            raise TemplateError(problems)
        found = [expr for step in compiled for manifest in step.manifests for _, expr in expressions(manifest.tree)]
        found += [expr for step in compiled for expr in (step.include_when, step.for_each) if expr is not None]
        if len(found) > MAX_EXPRESSIONS:
            raise TemplateError([Problem("steps", f"{len(found)} expressions, of which {MAX_EXPRESSIONS} are allowed")])
        public = [expr.references - {ITEM} for expr in found if CREDENTIALS not in expr.references]
        secret = [expr.references - {ITEM} for expr in found if CREDENTIALS in expr.references]
        references = frozenset().union(*public), frozenset().union(*secret)
        return cls(revision, name, compiled, *references, tuple(_warnings(steps)), _may_be_long(name, compiled, found))


def _may_be_long(name: Node, steps: Sequence[CompiledStep], found: Sequence[Expression]) -> bool:
    repeats = len(found) > _MANY_EXPRESSIONS or any(step.for_each is not None for step in steps)
    return repeats or any(expr.may_be_long for expr in (*(named for _, named in expressions(name)), *found))


def _warnings(steps: Sequence[StepSource]) -> Iterator[str]:
    for step in steps:
        path = f"steps[{step.name}].manifests"
        yield from (found.message for found in foreign_expressions(step.manifests, path))
        for index, manifest in enumerate(step.manifests):
            for look in (idle_ignored_fields, fleeting_job):
                yield from (found.message for found in look(manifest, child(path, index)))


def _step(step: StepSource, problems: list[Problem]) -> CompiledStep:
    path = f"steps[{step.name}]"
    item = {ITEM} if step.for_each is not None else set()
    manifests = tuple(
        manifest
        for index, source in enumerate(step.manifests)
        if (manifest := _manifest(source, child(f"{path}.manifests", index), item, problems)) is not None
    )
    ready_when = _expression(step.ready_when, f"{path}.readyWhen", frozenset({"object"}), problems)
    include_when = _expression(step.include_when, f"{path}.includeWhen", _SCOPE, problems)
    for_each = _expression(step.for_each, f"{path}.forEach", _SCOPE, problems)
    kept = (step.on_offboard, step.adopt, step.on_remove)
    return CompiledStep(step.name, manifests, ready_when, *kept, include_when, for_each, step.time_limit)


def _expression(source: str | None, path: str, scope: AbstractSet[str], problems: list[Problem]) -> Expression | None:
    if source is None:
        return None
    try:
        expression = compile_expression(source)
    except ExpressionError as error:
        problems.append(Problem(path, error.reason))
        return None
    problems.extend(reference_problems(path, expression, scope))
    return expression


def _manifest(
    source: Mapping[str, object], path: str, item: AbstractSet[str], problems: list[Problem]
) -> CompiledManifest | None:
    """Compile a manifest; `item` is what it may use beside the variables of all."""
    if not isinstance(source, Mapping):
        problems.append(Problem(path, "a manifest must be a map"))
        return None
    before = len(problems)
    api_version = _literal(source, "apiVersion", path, problems)
    kind = _literal(source, "kind", path, problems)
    parsed = _API_VERSION.fullmatch(api_version)
    if api_version and not parsed:
        problem = f"{api_version[:64]!r} is not a version such as v1, or a group and a version such as apps/v1"
        problems.append(Problem(child(path, "apiVersion"), problem))
    if kind and not _KIND.fullmatch(kind):
        problems.append(Problem(child(path, "kind"), f"{kind[:64]!r} is not a kind such as ConfigMap"))
    problems.extend(metadata_problems(source, child(path, "metadata")))
    if "status" in source:
        problems.append(Problem(child(path, "status"), "status belongs to the cluster and cannot be in a template"))
    if kind == "List" or (kind.endswith("List") and "items" in source):
        problems.append(Problem(child(path, "kind"), "a list of objects must be written as separate manifests"))
    group = (parsed["group"] or "") if parsed else ""
    if group == GROUP:
        problems.append(Problem(child(path, "apiVersion"), f"objects of {GROUP} cannot be in a template"))
    tree = compile_map(source, path, problems)
    is_secret = (api_version, kind) == ("v1", "Secret")
    for key, node in tree.items:
        if key in {"apiVersion", "kind"}:
            continue
        in_secret = is_secret and key in {"data", "stringData"}
        problems.extend(_scope_problems(node, (_SECRET_SCOPE if in_secret else _SCOPE) | item))
    if parsed is None or len(problems) > before:
        return None
    return CompiledManifest(path, group, parsed["version"], kind, tree)


def _literal(source: Mapping[str, object], key: str, path: str, problems: list[Problem]) -> str:
    """Return the text under `key`; an empty text, and a problem, when it is absent or a template."""
    value = source.get(key)
    if not isinstance(value, str) or not value:
        problems.append(Problem(child(path, key), "is missing or not a text"))
        return ""
    if "${" in value:
        problems.append(Problem(child(path, key), "cannot contain ${ }"))
        return ""
    return value


def _scope_problems(node: Node, scope: AbstractSet[str]) -> Iterator[Problem]:
    for path, expression in expressions(node):
        yield from reference_problems(path, expression, scope)


def reference_problems(path: str, expression: Expression, scope: AbstractSet[str]) -> Iterator[Problem]:
    """Yield what is wrong with the variables that an expression binds, or uses, and with the members of these."""
    for name in sorted(expression.bound & (_SECRET_SCOPE | scope | {"object"})):
        yield Problem(path, f"{name} cannot be the variable of a comprehension")
    for name in sorted(expression.references - scope):
        if name == CREDENTIALS:
            yield Problem(path, "credentials can only be used in data and stringData of a v1 Secret")
        else:
            yield Problem(path, unknown_variable(name, scope))
    for reason in unknown_members(expression, scope):
        yield Problem(path, reason)
