"""An app as a reconcile uses it: its expressions are compiled once for each generation.

Belongs here: the shape. Does not belong here: compiling (`reconcilers.apps`).
"""

from dataclasses import dataclass

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.app_notifications import NotificationEndpoint
from talkdesk_crds.hosts import HostAllowList
from talkdesk_operator.templates.cel import Expression
from talkdesk_operator.templates.template import CompiledTemplate

__all__ = ["CompiledApp", "CompiledEndpoint", "CompiledRule"]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One compiled rule of an app's `approval.rejectWhen`."""

    expression: Expression
    reason: str
    """Sent to Talkdesk with the rejection."""


@dataclass(frozen=True, slots=True)
class CompiledEndpoint:
    """One of an app's `notifications`, with its filter compiled."""

    config: NotificationEndpoint
    filter: Expression | None = None
    """None where there is none, or none that can be used: everything is told then."""
    problem: str = ""
    """What is wrong with it."""


@dataclass(frozen=True, slots=True)
class CompiledApp:
    """A TalkdeskApp with its hosts, template and rules compiled, as far as they are valid."""

    resource: TalkdeskApp
    hosts: HostAllowList | None
    template: CompiledTemplate | None
    problem: str = ""
    """What is wrong with it, when something here is missing."""
    revision: str = ""
    """The name of the revision that `template` is; see `domain.tenant.revision`."""
    reject_rules: tuple[CompiledRule, ...] = ()
    """The app's `approval.rejectWhen`."""
    endpoints: tuple[CompiledEndpoint, ...] = ()
    """The app's `notifications`."""
    allow_insecure: bool = False
    """Whether the operator lets the app allow plain http."""

    @property
    def identity(self) -> str:
        """The service account that is impersonated for all tenant objects, as the API server names it."""
        name = self.resource.spec.tenant.service_account_name
        return f"system:serviceaccount:{self.resource.metadata.namespace}:{name}"
