"""A compiled template, rendered for one account.

Belongs here: names, objects, their labels, and checks that need the account's values. Does not belong here: which
fields a template may have (`template`), what is applied when (`reconcilers`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Self

from talkdesk_crds.names import (
    ANNOTATION_STEP,
    LABEL_APP,
    LABEL_MANAGED_BY,
    LABEL_TENANT,
    MANAGED_BY,
    is_dns_label,
)
from talkdesk_crds.tenant_objects import MAX_PLANNED
from talkdesk_operator.templates.cel import Activation, Expression
from talkdesk_operator.templates.errors import RenderError, child
from talkdesk_operator.templates.leaves import Leaf, activation, expressions, fill
from talkdesk_operator.templates.limits import MAX_ITEMS, Spent, measure
from talkdesk_operator.templates.manifest_metadata import OnOffboard, OnRemove, annotation_problems
from talkdesk_operator.templates.object_names import is_object_name
from talkdesk_operator.templates.owned_fields import own_fields
from talkdesk_operator.templates.template import (
    CREDENTIALS,
    ITEM,
    CompiledManifest,
    CompiledStep,
    CompiledTemplate,
)

__all__ = ["ObjectIdentity", "RenderedStep", "RenderedTenant", "render", "render_name", "takes_long"]

_MUCH_DATA: Final = 64 * 1024
"""Size of all variables: characters, and 64 for each value."""

ObjectIdentity = tuple[str, str, str, str]
"""Group, kind, namespace and name of an object."""


@dataclass(frozen=True, slots=True)
class RenderedStep:
    """One step's objects, ready to be applied."""

    name: str
    objects: tuple[dict[str, Any], ...] = field(repr=False)
    """Kubernetes objects as plain JSON. They may contain secrets, so the repr does not show them."""
    ready_when: Expression | None
    on_offboard: OnOffboard
    adopt: bool
    on_remove: OnRemove | None = None
    sources: tuple[str, ...] = ()
    """The paths of the manifests that the objects are made of, in their order."""
    included: bool = True
    """Whether the customer gets the step at all; without, it has no objects."""
    time_limit: timedelta | None = None
    """How long its objects may take to become ready."""


@dataclass(frozen=True, slots=True)
class RenderedTenant:
    """Everything that one account should have in the cluster."""

    name: str
    """The tenant's name, which templates know as `tenant.name`; a DNS label."""
    steps: tuple[RenderedStep, ...]


def render(
    template: CompiledTemplate, context: Mapping[str, Any], *, app_name: str, tenant_name: str
) -> RenderedTenant:
    """Render the template. Raises RenderError with the path of the first leaf that cannot be filled in.

    `context` has `app`, `account`, `installation`, `subscription`, `trial`, `tenant` and `credentials` as plain JSON;
    it is not changed. A `tenant.name` in it is used as it is; without one the name is rendered. `app_name` and
    `tenant_name`, the names of the TalkdeskApp and the TalkdeskTenant, become labels of every object and replace labels
    of the template with the same keys.
    """
    tenant = dict(context.get("tenant", {}))
    tenant["name"] = tenant.get("name") or render_name(template, context)
    full, spent = {**context, "tenant": tenant}, Spent()
    variables = _Variables.of(template, full, spent)
    labels = {LABEL_MANAGED_BY: MANAGED_BY, LABEL_APP: app_name, LABEL_TENANT: tenant_name}
    filling = _Filling(template, full, spent, labels)
    steps = tuple(filling.step(step, variables) for step in template.steps)
    return RenderedTenant(tenant["name"], steps)


@dataclass(frozen=True, slots=True)
class _Variables:
    """What the expressions of a template see."""

    public: Activation
    secret: Activation
    """With the credentials, for leaves that use them."""

    @classmethod
    def of(cls, template: CompiledTemplate, context: Mapping[str, Any], spent: Spent) -> Self:
        """Take those variables of the context that the template uses. Raises RenderError."""
        further = frozenset({ITEM} & context.keys())
        public = activation(context, template.references | further, "context", spent)
        # Only built if needed: each variable of an activation costs more than all the expressions of an object.
        if not template.secret_references:
            return cls(public, public)
        return cls(public, activation(context, template.secret_references | further, "context", spent))

    def seen_by(self, expression: Expression) -> Activation:
        return self.secret if CREDENTIALS in expression.references else self.public


@dataclass(slots=True)
class _Filling:
    """One pass over the template."""

    template: CompiledTemplate
    context: Mapping[str, Any]
    spent: Spent
    labels: Mapping[str, str]
    seen: dict[ObjectIdentity, str] = field(default_factory=dict)

    def step(self, step: CompiledStep, variables: _Variables) -> RenderedStep:
        """Return the objects of a step. Raises RenderError."""
        included, objects, sources = _is_included(step, variables), [], []
        for place, seen in self._items(step, variables) if included else ():
            for manifest in step.manifests:
                try:
                    objects.append(self._object(step, manifest, seen, place))
                except RenderError as error:
                    if not place:
                        raise
                    reason, exhausted = f"{error.reason} ({place})", error.exhausted
                    raise RenderError(error.path, reason, exhausted=exhausted, passing=error.passing) from None
                sources.append(manifest.path)
        settings = (step.ready_when, step.on_offboard, step.adopt, step.on_remove)
        return RenderedStep(step.name, tuple(objects), *settings, tuple(sources), included, step.time_limit)

    def _items(self, step: CompiledStep, variables: _Variables) -> Iterator[tuple[str, _Variables]]:
        """Yield the variables for each element that the manifests are filled in for, and which it is."""
        if step.for_each is None:
            yield "", variables
            return
        for index, item in enumerate(_elements(step, step.for_each, variables)):
            yield f"item {index}", _Variables.of(self.template, {**self.context, ITEM: item}, self.spent)

    def _object(
        self, step: CompiledStep, manifest: CompiledManifest, variables: _Variables, place: str
    ) -> dict[str, Any]:
        rendered: dict[str, Any] = fill(manifest.tree, variables.seen_by)
        _label(rendered, manifest, step, self.labels)
        _check_identity(rendered, manifest, self.seen, place)
        own_fields(rendered, manifest.path)
        if len(self.seen) > MAX_PLANNED:
            raise RenderError(
                f"steps[{step.name}]", f"more than {MAX_PLANNED} objects, which a tenant can have at most"
            )
        return rendered


def _is_included(step: CompiledStep, variables: _Variables) -> bool:
    if step.include_when is None:
        return True
    value = _evaluated(step.include_when, f"steps[{step.name}].includeWhen", variables)
    if not isinstance(value, bool):
        raise RenderError(f"steps[{step.name}].includeWhen", "must give true or false")
    return value


def _elements(step: CompiledStep, for_each: Expression, variables: _Variables) -> list[Any]:
    path = f"steps[{step.name}].forEach"
    value = _evaluated(for_each, path, variables)
    if not isinstance(value, list):
        raise RenderError(path, "must give a list")
    if len(value) > MAX_ITEMS:
        raise RenderError(path, f"gives {len(value)} elements, of which {MAX_ITEMS} are allowed")
    return value


def _evaluated(expression: Expression, path: str, variables: _Variables) -> Any:
    return fill(Leaf(path, (expression,)), variables.seen_by)


def takes_long(template: CompiledTemplate, context: Mapping[str, Any]) -> bool:
    """Return whether rendering may take longer than an event loop can wait."""
    return template.may_be_long or measure(context.values(), each=64, most=_MUCH_DATA)[1] > _MUCH_DATA


def render_name(template: CompiledTemplate, context: Mapping[str, Any]) -> str:
    """Return the tenant's name, a DNS label. Raises RenderError otherwise. The template cannot use `tenant` here."""
    references = frozenset().union(*(found.references for _, found in expressions(template.name)))
    variables = activation(context, references, "context")
    name = fill(template.name, lambda _: variables)
    if not isinstance(name, str) or not is_dns_label(name):
        rule = "1 to 63 of a-z, 0-9 and inner hyphens"
        raise RenderError("name", f"{name!r} is not a DNS label ({rule}); use dnsLabel()")
    return name


def _label(rendered: dict[str, Any], manifest: CompiledManifest, step: CompiledStep, labels: Mapping[str, str]) -> None:
    """Add our labels and the step's annotation to a freshly rendered object."""
    metadata = rendered["metadata"]
    for key, ours in (("labels", labels), ("annotations", {ANNOTATION_STEP: step.name})):
        theirs = metadata.get(key, {})
        if not isinstance(theirs, dict) or not all(isinstance(value, str) for value in theirs.values()):
            raise RenderError(child(child(manifest.path, "metadata"), key), "must be a map of strings")
        metadata[key] = {**theirs, **ours}
    for name, problem in annotation_problems(rendered, metadata["annotations"]):
        raise RenderError(child(child(child(manifest.path, "metadata"), "annotations"), name), problem)


def _check_identity(
    rendered: Mapping[str, Any], manifest: CompiledManifest, seen: dict[ObjectIdentity, str], place: str
) -> None:
    """Raise RenderError for an invalid name, and for an object that an earlier manifest describes already."""
    metadata = rendered["metadata"]
    path = child(manifest.path, "metadata")
    name, namespace = metadata["name"], metadata.get("namespace", "")
    if not is_object_name(name):
        raise RenderError(child(path, "name"), "is not a valid name of an object")
    if "namespace" in metadata and not (isinstance(namespace, str) and is_dns_label(namespace)):
        raise RenderError(child(path, "namespace"), "is not a valid name of a namespace")
    identity = (manifest.group, manifest.kind, namespace, name)
    here = f"{manifest.path} ({place})" if place else manifest.path
    if (earlier := seen.setdefault(identity, here)) != here:
        raise RenderError(child(path, "name"), f"is the same object as {earlier}")
