"""A compiled template, filled in for one account.

Belongs here: names, objects, their marks, and what only shows once values are known. Does not belong here: which
fields a template may have (template.py), what is applied when.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from talkdesk_crds.names import ANNOTATION_STEP, LABEL_APP, LABEL_MANAGED_BY, LABEL_TENANT, MANAGED_BY, is_dns_label
from talkdesk_operator.templates.cel import Activation, Expression, ExpressionError
from talkdesk_operator.templates.errors import RenderError, child
from talkdesk_operator.templates.leaves import expressions, fill
from talkdesk_operator.templates.template import (
    CREDENTIALS,
    CompiledManifest,
    CompiledStep,
    CompiledTemplate,
    OnOffboard,
)

__all__ = ["RenderedStep", "RenderedTenant", "render", "render_name"]

_LONGEST_NAME = 253
"""Characters of an object's name: RFC 1123's limit of a subdomain."""

_Identity = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class RenderedStep:
    """One step's objects, ready to be applied."""

    name: str
    objects: tuple[dict[str, Any], ...] = field(repr=False)
    """Kubernetes objects as plain JSON. They hold secrets, hence the bare repr."""
    ready_when: Expression | None
    on_offboard: OnOffboard
    adopt: bool


@dataclass(frozen=True, slots=True)
class RenderedTenant:
    """Everything one account should have in the cluster."""

    name: str
    """The tenant's name in the template, a DNS label."""
    steps: tuple[RenderedStep, ...]


def render(
    template: CompiledTemplate, context: Mapping[str, Any], *, app_name: str, tenant_name: str
) -> RenderedTenant:
    """Fill in the template; raises RenderError with the path of the first leaf that cannot be filled in.

    `context` has `app`, `account`, `installation`, `subscription`, `trial`, `tenant` and `credentials` as plain JSON;
    it is not changed. A `tenant.name` in it is used as it is; without one the name is rendered. `app_name` and
    `tenant_name`, the names of the TalkdeskApp and the TalkdeskTenant, become labels of every object, over labels of
    the template with the same keys.
    """
    tenant = dict(context.get("tenant", {}))
    tenant["name"] = tenant.get("name") or render_name(template, context)
    full = {**context, "tenant": tenant}
    public = _scope(full, template.references)
    # Only built where it is needed: each variable of a scope costs more than all the expressions of an object.
    secret = _scope(full, template.secret_references) if template.secret_references else public

    def activation_for(expression: Expression) -> Activation:
        return secret if CREDENTIALS in expression.references else public

    labels = {LABEL_MANAGED_BY: MANAGED_BY, LABEL_APP: app_name, LABEL_TENANT: tenant_name}
    seen: dict[_Identity, str] = {}
    steps = []
    for step in template.steps:
        objects = []
        for manifest in step.manifests:
            rendered: dict[str, Any] = fill(manifest.tree, activation_for)
            _mark(rendered, manifest, step, labels)
            _check_identity(rendered, manifest, seen)
            objects.append(rendered)
        steps.append(RenderedStep(step.name, tuple(objects), step.ready_when, step.on_offboard, step.adopt))
    return RenderedTenant(tenant["name"], tuple(steps))


def render_name(template: CompiledTemplate, context: Mapping[str, Any]) -> str:
    """Return the tenant's name, a DNS label; raises RenderError if it is none. `tenant` is not in scope."""
    scope = _scope(context, frozenset().union(*(found.references for _, found in expressions(template.name))))
    name = fill(template.name, lambda _: scope)
    if not isinstance(name, str) or not is_dns_label(name):
        raise RenderError("name", f"{name!r} is no DNS label (1 to 63 of a-z, 0-9 and inner hyphens); use dnsLabel()")
    return name


def _scope(context: Mapping[str, Any], names: frozenset[str]) -> Activation:
    try:
        return Activation({name: context[name] for name in sorted(names) if name in context})
    except ExpressionError as error:
        reason = error.reason
    raise RenderError("context", reason)


def _mark(rendered: dict[str, Any], manifest: CompiledManifest, step: CompiledStep, labels: Mapping[str, str]) -> None:
    """Add our labels and the step's annotation to a freshly rendered object."""
    metadata = rendered["metadata"]
    for key, ours in (("labels", labels), ("annotations", {ANNOTATION_STEP: step.name})):
        theirs = metadata.get(key, {})
        if not isinstance(theirs, dict) or not all(isinstance(value, str) for value in theirs.values()):
            raise RenderError(child(child(manifest.path, "metadata"), key), "must be a map of strings")
        metadata[key] = {**theirs, **ours}


def _check_identity(rendered: Mapping[str, Any], manifest: CompiledManifest, seen: dict[_Identity, str]) -> None:
    """Refuse what cannot be a name, and an object that an earlier manifest has made already."""
    metadata = rendered["metadata"]
    path = child(manifest.path, "metadata")
    name, namespace = metadata["name"], metadata.get("namespace", "")
    if not _is_object_name(name):
        raise RenderError(child(path, "name"), "is no name for an object")
    if "namespace" in metadata and not (isinstance(namespace, str) and is_dns_label(namespace)):
        raise RenderError(child(path, "namespace"), "is no name for a namespace")
    identity = (manifest.group, manifest.kind, namespace, name)
    if (earlier := seen.setdefault(identity, manifest.path)) != manifest.path:
        raise RenderError(child(path, "name"), f"is the same object as {earlier}")


def _is_object_name(name: object) -> bool:
    """Return whether the API server can take it as a path segment; stricter rules differ by kind."""
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        return False
    return name not in {".", ".."} and name.isprintable() and not set("/% ") & set(name)
