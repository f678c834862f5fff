"""The variables of a tenant's template, credentials included."""

from collections.abc import Mapping
from typing import Any, Final

from talkdesk_crds.tenant import TenantState
from talkdesk_operator.domain.ports.talkdesk import Access
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Scope
from talkdesk_operator.domain.tenant.desired import template_context
from talkdesk_operator.reconcilers.talkdesk_access import access_of

__all__ = ["left_variables", "template_variables"]

_CREDENTIALS: Final = (
    "clientId",
    "clientSecret",
    "privateKey",
    "keyId",
    "keyAlgorithm",
    "tokenUrl",
    "apiUrl",
)


def template_variables(scope: Scope, app: CompiledApp) -> dict[str, Any]:
    """Return all variables that a template can use, credentials included."""
    context, credentials = template_context(scope, app), _credentials(scope)
    context["sso"]["clientId"] = credentials.get("clientId")
    return context | {"credentials": credentials}


def left_variables(scope: Scope, app: CompiledApp) -> dict[str, Any]:
    """Return all variables for a customer who has left; their credentials, which end with that, are empty texts."""
    context = template_context(scope, app)
    context["tenant"] |= {"state": TenantState.OFFBOARDED.value}
    context["sso"]["clientId"] = ""
    return context | {"credentials": dict.fromkeys(_CREDENTIALS, "")}


def _credentials(scope: Scope) -> Mapping[str, Any]:
    access = access_of(scope)
    if not isinstance(access, Access):
        return {}
    credentials = access.credentials
    return {
        "clientId": credentials.client_id,
        "clientSecret": credentials.client_secret.get_secret_value(),
        "privateKey": credentials.private_key.get_secret_value(),
        "keyId": credentials.key_id,
        "keyAlgorithm": credentials.key_algorithm,
        "tokenUrl": access.token_url,
        "apiUrl": access.api_url,
    }
