"""What a call to Talkdesk needs, put together from a scope: hosts, token URL, credentials, urgency.

Belongs here: where calls go and with which credentials, pure. Does not belong here: making calls (`talkdesk_steps`).
"""

from talkdesk_crds.conditions import Reason
from talkdesk_crds.hosts import ForeignHostError, HostAllowList
from talkdesk_crds.installation import InstallationSpec
from talkdesk_operator.domain.ports.talkdesk import Access, Credentials
from talkdesk_operator.domain.reconcile.observation import is_last_attempt, is_urgent
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Failure, RetryClass, Scope

__all__ = ["access_of", "holder_of"]


def access_of(scope: Scope) -> Access | Failure:
    """Return what a call needs; a Failure says what is missing."""
    app, spec = scope.app, scope.installation.spec
    if app is None or app.hosts is None:
        problem = app.problem if app is not None else "the app is gone"
        return Failure(Reason.TEMPLATE_INVALID, problem, RetryClass.TERMINAL)
    if not isinstance(scope.credentials, Credentials):
        return Failure(Reason.CREDENTIALS_MISSING, "the credentials were not read", RetryClass.TRANSIENT)
    try:
        api_url, token_url = _urls(spec, app.hosts)
    except ForeignHostError as error:
        return Failure(Reason.FOREIGN_HOST, str(error), RetryClass.TERMINAL)
    auth = app.resource.spec.auth
    return Access(
        api_url=api_url,
        token_url=scope.token_url or token_url,
        credentials=scope.credentials,
        method=auth.method,
        scopes=auth.scopes,
        region_key=_region_key(app),
        hosts=app.hosts,
        holder=holder_of(scope),
        urgent=is_urgent(scope),
        last_attempt=is_last_attempt(scope),
        background=scope.background,
    )


def holder_of(scope: Scope) -> str:
    """Return by what name the client caches things of the installation."""
    metadata = scope.installation.metadata
    return f"{metadata.namespace}/{metadata.name}"


def _urls(spec: InstallationSpec, hosts: HostAllowList) -> tuple[str, str]:
    if spec.endpoints is not None:
        return spec.endpoints.api, spec.endpoints.token
    if not spec.account_name:
        raise ForeignHostError("neither spec.endpoints nor spec.accountName says where tokens come from")
    return hosts.api_url, hosts.token_url(spec.account_name)


def _region_key(app: CompiledApp) -> str:
    metadata = app.resource.metadata
    return f"{metadata.namespace}/{metadata.name}"
