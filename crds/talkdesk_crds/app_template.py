"""What each customer account gets: the tenant's template and its steps."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from talkdesk_crds.fields import (
    ATOMIC,
    Expression,
    FreeObject,
    LabelName,
    Model,
    ObjectName,
    PositiveDuration,
    listed_by,
)
from talkdesk_crds.manifest import CLOSED, Manifest
from talkdesk_crds.tenant import OnOffboard, OnRemove

__all__ = ["ConflictPolicy", "ObjectScope", "TemplateStep", "TenantTemplate"]


class ConflictPolicy(StrEnum):
    """What becomes of an object or a field that belongs to somebody else."""

    FAIL = "Fail"
    """It is left alone and reported as a conflict."""
    ADOPT = "Adopt"
    """It becomes the tenant's."""


class ObjectScope(StrEnum):
    """Where the objects of a template may be."""

    TENANT = "Tenant"
    """In the namespace with the tenant's name; outside all namespaces, called like the tenant."""
    ANY = "Any"
    """Wherever the service account may make them."""


class TemplateStep(Model):
    """Objects that are applied together, after those of the steps before are ready."""

    name: LabelName
    """Name of the step, unique in the template."""
    manifests: Annotated[tuple[Manifest, ...], Field(min_length=1, max_length=50, json_schema_extra=ATOMIC)]
    """Kubernetes objects. Each string in them may hold `${ CEL }`; one that is a single expression keeps its type. What
    becomes of an object that is taken out of the template says `onRemove`. With the annotation
    `{GROUP}/recreate: "true"` an object is deleted and made anew when the template changes what can't be changed in one
    that exists (a Job's pods, a `roleRef`, a selector): what is in it is lost. With
    `{GROUP}/ignore-fields: /spec/replicas` (JSON Pointers, with commas between them) such a field has the template's
    value when the object is made, and is left to whoever changes it afterwards, such as an autoscaler."""
    include_when: Expression | None = None
    """CEL over the variables of a template, but `credentials`: whether the customer gets the step, such as
    `subscription.type == 'paid'` or `tenant.values.search`. When it gets false for a customer who has the step's
    objects, these have left the template: `onRemove` says what becomes of them. A value that is neither true nor false,
    or can't be evaluated, changes nothing."""
    for_each: Expression | None = None
    """CEL over the same, that gives a list of 100 elements at most: the manifests are filled in for each of them, which
    they have as `item`. Name the objects by the element, not by its place: an object whose name no element gives any
    more has left the template."""
    ready_when: Expression | None = None
    """CEL over `object`, true when an object of the step is ready, for instance `object.status.phase == 'Running'`.
    While it can't be evaluated, because there is no status yet, the object is not ready. Without it, kstatus' rules
    decide: a custom resource is ready as soon as it is applied, until it has a condition Ready that is not True. The
    app's condition ReadinessAssumed names such kinds. It is not asked of ConfigMaps, Secrets and the like."""
    time_limit: PositiveDuration | None = None
    """How long the step's objects may take to become ready, from the first look at which they were not, such as `10m`.
    After that the tenant says that the step failed and what it waits for, and is looked at less often; it goes on when
    they become ready after all. Without it, the tenant waits for as long as it takes."""
    on_offboard: OnOffboard = OnOffboard.RETAIN
    """Delete: the objects go at the uninstall. Retain: they stay until the retention ends."""
    on_remove: OnRemove | None = None
    """What becomes of the step's objects when they leave the template while the customer has the app; the annotation
    `{GROUP}/on-remove` on one of them goes before it. Set it before they leave: what counts is what the template last
    said. Delete: they are deleted, each with an Event. Retain: they are kept, and listed in the tenant's
    `status.orphanedObjects`. Without it, workloads without storage of their own, their network and their rights are
    deleted, and everything that may hold data is kept: Namespaces, volumes and their claims, StatefulSets, Secrets,
    ConfigMaps, custom resources, and kinds that this version does not know. Nothing is deleted from a tenant with
    `deletionProtection`, nor a Namespace with other objects of the tenant in it."""
    conflict_policy: ConflictPolicy = ConflictPolicy.FAIL
    """Fail: an object or a field that belongs to somebody else is left alone, and the tenant reports a conflict.
    Adopt: it is taken over, and is deleted with the tenant; but never what is marked as another TalkdeskTenant's that
    exists. What `kubectl apply` set and the template has, too, is the template's alone then, and goes when it leaves
    the template; all else stays."""


class TenantTemplate(Model):
    """What each customer account gets in the cluster."""

    name: Annotated[Expression, Field(json_schema_extra=CLOSED)] = (
        "${dnsLabel('td-' + app.namespace + '-' + account.id)}"
    )
    """The tenant's name, a DNS label; `${ CEL }` over `account`, `app`, `installation`. A change counts for tenants
    that are made after it: one that exists keeps its name."""
    service_account_name: ObjectName
    """ServiceAccount in this namespace in whose name all tenant objects are applied and deleted: its RBAC decides what
    a template can do. After a change everything is done in the new account's name, also the deletion of objects that
    the old one made: give the new account its rights first, and the operator the right to impersonate it."""
    object_scope: ObjectScope = ObjectScope.TENANT
    """Where objects may be. Tenant: in the namespace with the tenant's name; outside all namespaces such as have that
    name, or begin with it and one of `- . :`. Any: wherever the service account may make them. What is outside is
    neither made nor changed nor deleted, while all else is: the condition Ready of app and tenant says OutsideTenant,
    and which objects."""
    values: FreeObject = Field(default_factory=dict)
    """Defaults of `tenant.values`; a tenant's own `spec.values` go before them. A change is a new revision of the
    template, which `templateRollout` brings to all tenants."""
    values_schema: FreeObject | None = None
    """JSON Schema (draft 2020-12) of `tenant.values`, as the app's and the tenant's own make it together. Where it does
    not fit, nothing is applied to the tenant, and its condition Ready says ValuesInvalid with the path and what is
    expected. The app's own values are checked as soon as the app is applied, as far as tenants' values can't complete
    them. References lead to `#/$defs` of the schema itself: nothing is fetched. `format` is not checked; patterns are
    those of Python."""
    steps: Annotated[tuple[TemplateStep, ...], Field(min_length=1, max_length=20, json_schema_extra=listed_by("name"))]
    """Steps, applied in order and deleted in reverse. A change is a new revision of the template, which
    `templateRollout` brings to all tenants."""
