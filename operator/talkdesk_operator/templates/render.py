"""A compiled template, rendered for one account.

Belongs here: names, objects, their labels, and checks that need the account's values. Does not belong here: which
fields a template may have (`template`), what is applied when (`reconcilers`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from talkdesk_crds.names import (
    ANNOTATION_STEP,
    LABEL_APP,
    LABEL_MANAGED_BY,
    LABEL_TENANT,
    MANAGED_BY,
    is_dns_label,
)
from talkdesk_operator.templates.cel import Activation, Expression
from talkdesk_operator.templates.errors import RenderError, child
from talkdesk_operator.templates.leaves import activation, expressions, fill
from talkdesk_operator.templates.limits import Spent, measure
from talkdesk_operator.templates.object_names import is_object_name
from talkdesk_operator.templates.owned_fields import own_fields
from talkdesk_operator.templates.template import (
    CREDENTIALS,
    CompiledManifest,
    CompiledStep,
    CompiledTemplate,
    OnOffboard,
    OnRemove,
    annotation_problems,
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
    full = {**context, "tenant": tenant}
    spent = Spent()
    public = activation(full, template.references, "context", spent)
    # Only built if needed: each variable of an activation costs more than all the expressions of an object.
    secret = activation(full, template.secret_references, "context", spent) if template.secret_references else public

    def activation_for(expression: Expression) -> Activation:
        return secret if CREDENTIALS in expression.references else public

    labels = {LABEL_MANAGED_BY: MANAGED_BY, LABEL_APP: app_name, LABEL_TENANT: tenant_name}
    seen: dict[ObjectIdentity, str] = {}
    steps = []
    for step in template.steps:
        objects = []
        for manifest in step.manifests:
            rendered: dict[str, Any] = fill(manifest.tree, activation_for)
            _label(rendered, manifest, step, labels)
            _check_identity(rendered, manifest, seen)
            own_fields(rendered, manifest.path)
            objects.append(rendered)
        settings = (step.ready_when, step.on_offboard, step.adopt, step.on_remove)
        steps.append(RenderedStep(step.name, tuple(objects), *settings))
    return RenderedTenant(tenant["name"], tuple(steps))


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
    for name, problem in annotation_problems(metadata["annotations"]):
        raise RenderError(child(child(child(manifest.path, "metadata"), "annotations"), name), problem)


def _check_identity(rendered: Mapping[str, Any], manifest: CompiledManifest, seen: dict[ObjectIdentity, str]) -> None:
    """Raise RenderError for an invalid name, and for an object that an earlier manifest describes already."""
    metadata = rendered["metadata"]
    path = child(manifest.path, "metadata")
    name, namespace = metadata["name"], metadata.get("namespace", "")
    if not is_object_name(name):
        raise RenderError(child(path, "name"), "is not a valid name of an object")
    if "namespace" in metadata and not (isinstance(namespace, str) and is_dns_label(namespace)):
        raise RenderError(child(path, "namespace"), "is not a valid name of a namespace")
    identity = (manifest.group, manifest.kind, namespace, name)
    if (earlier := seen.setdefault(identity, manifest.path)) != manifest.path:
        raise RenderError(child(path, "name"), f"is the same object as {earlier}")
