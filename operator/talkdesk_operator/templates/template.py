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
from typing import Final, Literal, Self

from talkdesk_crds.names import GROUP
from talkdesk_operator.templates.cel import Expression, ExpressionError, compile_expression
from talkdesk_operator.templates.errors import Problem, TemplateError, child
from talkdesk_operator.templates.leaves import Constant, Leaf, MapNode, Node, compile_leaf, compile_map, expressions

__all__ = ["CREDENTIALS", "CompiledManifest", "CompiledStep", "CompiledTemplate", "OnOffboard", "StepSource"]

OnOffboard = Literal["Delete", "Retain"]

CREDENTIALS: Final = "credentials"
_NAME_SCOPE: Final = frozenset({"app", "account", "installation", "subscription", "trial"})
_SCOPE: Final = _NAME_SCOPE | {"tenant", "sso"}
_SECRET_SCOPE: Final = _SCOPE | {CREDENTIALS}
_OWNED_BY_SERVER: Final = ("uid", "resourceVersion", "ownerReferences", "managedFields", "generateName")
_API_VERSION: Final = re.compile(r"(?:(?P<group>[a-z0-9.-]+)/)?(?P<version>[a-z0-9]+)")


@dataclass(frozen=True, slots=True)
class StepSource:
    """One step of a template as it is in the TalkdeskApp."""

    name: str
    manifests: Sequence[Mapping[str, object]]
    ready_when: str | None = None
    """CEL over `object`."""
    on_offboard: OnOffboard = "Retain"
    adopt: bool = False


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

    @classmethod
    def compile(cls, name_expression: str, steps: Sequence[StepSource], revision: str) -> Self:
        """Compile and check everything. Raises TemplateError with all problems.

        `name_expression` is text with `${ CEL }` for the tenant's name. `revision` is only stored.
        """
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
        if problems:
            raise TemplateError(problems)
        found = [expr for step in compiled for manifest in step.manifests for _, expr in expressions(manifest.tree)]
        public = [expr.references for expr in found if CREDENTIALS not in expr.references]
        secret = [expr.references for expr in found if CREDENTIALS in expr.references]
        return cls(revision, name, compiled, frozenset().union(*public), frozenset().union(*secret))


def _step(step: StepSource, problems: list[Problem]) -> CompiledStep:
    path = f"steps[{step.name}]"
    manifests = tuple(
        manifest
        for index, source in enumerate(step.manifests)
        if (manifest := _manifest(source, child(f"{path}.manifests", index), problems)) is not None
    )
    ready_when = _ready_when(step.ready_when, f"{path}.readyWhen", problems)
    return CompiledStep(step.name, manifests, ready_when, step.on_offboard, step.adopt)


def _ready_when(source: str | None, path: str, problems: list[Problem]) -> Expression | None:
    if source is None:
        return None
    try:
        expression = compile_expression(source)
    except ExpressionError as error:
        problems.append(Problem(path, error.reason))
        return None
    problems.extend(_reference_problems(path, expression, frozenset({"object"})))
    return expression


def _manifest(source: Mapping[str, object], path: str, problems: list[Problem]) -> CompiledManifest | None:
    if not isinstance(source, Mapping):
        problems.append(Problem(path, "a manifest must be a map"))
        return None
    before = len(problems)
    api_version = _literal(source, "apiVersion", path, problems)
    kind = _literal(source, "kind", path, problems)
    parsed = _API_VERSION.fullmatch(api_version)
    if api_version and not parsed:
        problems.append(Problem(child(path, "apiVersion"), "must be a version, or a group and a version with a slash"))
    problems.extend(_metadata_problems(source.get("metadata"), child(path, "metadata")))
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
        in_secret = is_secret and key in {"data", "stringData"}
        problems.extend(_scope_problems(node, _SECRET_SCOPE if in_secret else _SCOPE))
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


def _metadata_problems(metadata: object, path: str) -> Iterator[Problem]:
    if not isinstance(metadata, Mapping):
        yield Problem(path, "is missing" if metadata is None else "must be a map")
        return
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        yield Problem(child(path, "name"), "is missing or not a text")
    for key in _OWNED_BY_SERVER:
        if key in metadata:
            yield Problem(child(path, key), f"{key} cannot be in a template")
    for key in ("labels", "annotations"):
        if not isinstance(metadata.get(key, {}), Mapping | str):
            yield Problem(child(path, key), "must be a map of strings")


def _scope_problems(node: Node, scope: AbstractSet[str]) -> Iterator[Problem]:
    for path, expression in expressions(node):
        yield from _reference_problems(path, expression, scope)


def _reference_problems(path: str, expression: Expression, scope: AbstractSet[str]) -> Iterator[Problem]:
    for name in sorted(expression.bound & (_SECRET_SCOPE | {"object"})):
        yield Problem(path, f"{name} cannot be the variable of a comprehension")
    for name in sorted(expression.references - scope):
        if name == CREDENTIALS:
            yield Problem(path, "credentials can only be used in data and stringData of a v1 Secret")
        else:
            yield Problem(path, f"no such variable: {name} (there are {', '.join(sorted(scope))})")
