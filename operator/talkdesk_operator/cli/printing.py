"""What is printed: YAML that `kubectl` takes, with the secrets left out unless they are asked for.

Belongs here: form. Does not belong here: content.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from talkdesk_operator.templates.http_call import RenderedHttp
from talkdesk_operator.templates.render import RenderedStep, RenderedTenant

__all__ = ["tenant_as_yaml"]

_SECRET: Final = ("v1", "Secret")


def tenant_as_yaml(tenant: RenderedTenant, state: str, *, show_secrets: bool) -> str:
    """Return all objects in the order in which they are applied, each step under a comment."""
    head = f"# tenant {tenant.name}, state {state}\n"
    head += "".join(f"# no step {step.name}: includeWhen is false\n" for step in tenant.steps if not step.included)
    return head + "".join(_documents(tenant, show_secrets))


def _documents(tenant: RenderedTenant, show_secrets: bool) -> Iterator[str]:  # noqa: FBT001 - it is not public
    for step in tenant.steps:
        if step.http is not None:
            yield _request(step.name, step.http, show_secrets)
        yield from (_document(step, each, show_secrets) for each in step.objects)


def _request(step: str, http: RenderedHttp, show_secrets: bool) -> str:  # noqa: FBT001 - it is not public
    """Return what the step's service gets, as comments: kubectl can't apply it."""
    hidden = http.settings.credentials and not show_secrets
    content = "the body has credentials: --show-secrets shows it\n" if hidden else _yaml(dict(http.body))
    lines = [f"step {step}: PUT {http.url}/TENANT", *(f"{name}: {text}" for name, text in http.headers.items())]
    return "".join(f"# {line}\n" for line in (*lines, *content.splitlines()))


def _document(step: RenderedStep, raw: dict[str, Any], show_secrets: bool) -> str:  # noqa: FBT001 - it is not public
    shown = raw if show_secrets or (raw["apiVersion"], raw["kind"]) != _SECRET else _masked(raw)
    return f"---\n# step {step.name}\n{_yaml(shown)}"


def _yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=120)


def _masked(secret: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {key: _mask(value, encoded=name == "data") for key, value in part.items()}
        if name in {"data", "stringData"} and isinstance(part, dict)
        else part
        for name, part in secret.items()
    }


def _mask(value: Any, *, encoded: bool) -> str:
    """Return how much there is, which shows a template's author what is missing, and nothing else."""
    text = value if isinstance(value, str) else str(value)
    try:
        size = len(base64.b64decode(text, validate=True)) if encoded else len(text.encode())
    except (binascii.Error, ValueError):
        return "*** (not base64: the API server will refuse it)"
    return f"*** ({size} bytes)"
