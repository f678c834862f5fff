"""A template's step that calls a service of the partner's, instead of applying objects."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from talkdesk_crds.app_users import SecretKeyRef
from talkdesk_crds.fields import Expression, FreeObject, LocalRef, Model, PositiveDuration

__all__ = ["HttpStep", "OnRefusal"]


class OnRefusal(StrEnum):
    """What a refusal of the service means for the customer's request."""

    HOLD = "Hold"
    """It is tried again, less and less often."""
    REJECT = "Reject"
    """It counts as the customer's own fault."""


class HttpStep(Model):
    """A service of the partner's that has something of each tenant, by the semantics of the Open Service Broker API.

    `PUT {url}/{tenant}` provisions, updates, suspends, resumes and offboards; `DELETE {url}/{tenant}` deletes; the
    page "The protocol of http steps" has all of it.
    """

    url: Expression
    """Base URL, such as `https://control.example.com/v1/tenants`; the name of the TalkdeskTenant is put behind it.
    `${ CEL }` sees what an address sees. Where it gives the host, `tenant.httpHosts` must name the host."""
    secret_ref: SecretKeyRef
    """The signing key, `whsec_` and base64 or any other text; two lines are two keys, while one replaces the other.
    Nothing is sent to other hosts than the Secret's annotation `{GROUP}/for-hosts` names."""
    ca_bundle: Annotated[str, StringConstraints(max_length=65_536)] = ""
    """Certificates (PEM) of whom the service's own must be; without it, any that the operator's machine trusts."""
    client_certificate_ref: LocalRef | None = None
    """A Secret of type `kubernetes.io/tls` with what the operator shows of itself in TLS. It needs the annotation
    `{GROUP}/for-hosts`, too."""
    timeout: PositiveDuration = "30s"
    """How long one request may take."""
    polling_timeout: PositiveDuration = "1h"
    """How long the service may be at something that it has answered with 202."""
    headers: Annotated[dict[str, Expression], Field(max_length=16)] = Field(default_factory=dict)
    """Further headers, of which each value may hold `${ CEL }`."""
    body: FreeObject | None = None
    """What is sent with PUT: a JSON object, in which each string may hold `${ CEL }`. Without it, `tenant`, `account`,
    `installation`, `subscription`, `trial`, `state` and `generation`."""
    credentials: bool = False
    """Whether the service gets the customer's OAuth credentials: in `credentials` of the body, or where the body says
    so itself."""
    on_refusal: OnRefusal = OnRefusal.HOLD
    """What follows when the service answers the first PUT for a tenant with a 4xx that is final. Hold: the request
    waits, and the service is asked again now and then. Reject: the refusal counts as the customer's own, and where
    `approval.onTenantFailure` is Reject, the request is rejected."""
    allow_insecure: bool = False
    """Allow plain http, where the operator allows it too (`--allow-insecure`). Only for a laboratory."""
