"""What a tenant's template sees in a pass, credentials included."""

from collections.abc import Mapping
from typing import Any

from talkdesk_operator.domain.ports.talkdesk import Access
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Scope
from talkdesk_operator.domain.tenant.desired import template_context
from talkdesk_operator.reconcilers.talkdesk import access_of

__all__ = ["template_variables"]


def template_variables(scope: Scope, app: CompiledApp) -> dict[str, Any]:
    """Return all that a template can see, credentials included."""
    context, known = template_context(scope, app), _credentials(scope)
    context["sso"]["clientId"] = known.get("clientId")
    return context | {"credentials": known}


def _credentials(scope: Scope) -> Mapping[str, Any]:
    access = access_of(scope)
    if not isinstance(access, Access):
        return {}
    known = access.credentials
    return {
        "clientId": known.client_id,
        "clientSecret": known.client_secret.get_secret_value(),
        "privateKey": known.private_key.get_secret_value(),
        "keyId": known.key_id,
        "keyAlgorithm": known.key_algorithm,
        "tokenUrl": access.token_url,
        "apiUrl": access.api_url,
    }
