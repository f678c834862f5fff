"""What rendering a tenant costs by itself, in this process, with the product's own code."""

import time
from typing import Any, Final

from benchmarks.sending import BenchFailed
from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.reconcilers.apps import compile_app
from talkdesk_operator.templates.render import render

__all__ = ["rendering_milliseconds"]

_TIMES: Final = 500


def rendering_milliseconds(app: TalkdeskApp) -> tuple[float, int]:
    """Return the CPU milliseconds of one rendering of the app's template, and its objects.

    Raises BenchFailed for a bad one.
    """
    template = compile_app(app, allow_insecure=True).template
    if template is None:
        raise BenchFailed("the app's template is not understood")
    context = _context(app)
    began = time.process_time()
    for _ in range(_TIMES):
        rendered = render(template, context, app_name="sentiment", tenant_name="sentiment-0")
    spent = time.process_time() - began
    return spent / _TIMES * 1000, sum(len(step.objects) for step in rendered.steps)


def _context(app: TalkdeskApp) -> dict[str, Any]:
    """Return values of the size that they have in an install."""
    account = {"id": "0" * 32, "name": "acme", "companyName": "Acme Inc.", "timezone": "Europe/Lisbon"}
    names = ("clientId", "clientSecret", "privateKey", "keyId", "keyAlgorithm", "tokenUrl", "apiUrl")
    sign_on = ("issuer", "authorizationUrl", "tokenUrl", "clientId")
    return {
        "app": {"id": app.spec.app_id, "name": "sentiment", "namespace": "sentiment", "region": None},
        "account": account,
        "installation": {"id": "1" * 32, "name": "sentiment-1", "appVersion": "1.0", "createdBy": "2" * 24},
        "subscription": {"type": "paid", "name": "Standard", "licenses": 3},
        "trial": {"state": None, "expirationTime": None},
        "tenant": {"name": "", "state": "Active", "suspended": False, "values": app.spec.tenant.values},
        "sso": {**dict.fromkeys(sign_on, "x" * 50), "scopes": ["openid", *app.spec.auth.scopes]},
        "credentials": dict.fromkeys(names, "x" * 200),
    }
