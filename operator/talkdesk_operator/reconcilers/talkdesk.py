"""Reading an installation's credentials and Talkdesk's side of it into the scope, and telling Talkdesk."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace

from pydantic import SecretStr

from talkdesk_crds.conditions import Reason
from talkdesk_crds.hosts import ForeignHostError, HostAllowList
from talkdesk_crds.installation import AccountFacts, Decision, InstallationSpec, SubscriptionFacts
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.talkdesk import (
    Access,
    Account,
    Credentials,
    RemoteInstallation,
    RemoteTrial,
    Subscription,
    TalkdeskApi,
    TalkdeskConflict,
    TalkdeskError,
    TalkdeskForbidden,
    TalkdeskNotFound,
    TalkdeskOutcomeUnknown,
)
from talkdesk_operator.domain.reconcile.error_policy import talkdesk_failure
from talkdesk_operator.domain.reconcile.observation import is_urgent
from talkdesk_operator.domain.reconcile.scope import (
    AcknowledgementState,
    CompiledApp,
    CredentialsMissing,
    Facts,
    Failure,
    RemoteFailed,
    RemoteMissing,
    RetryClass,
    Scope,
    SendState,
)
from talkdesk_operator.domain.reconcile.steps import ReadTalkdesk

__all__ = ["TalkdeskSteps"]

_OTHER_SETS = 3
"""Sets that are tried when the newest is refused; Talkdesk keeps two alive."""
_JUDGED_BY_STATE = (TalkdeskConflict, TalkdeskForbidden, TalkdeskNotFound, TalkdeskOutcomeUnknown)
"""What an answer may meet although nothing waits for it any more: 403 and 404 are also said to mean that."""


class TalkdeskSteps:
    """Does the domain's steps that concern Talkdesk. Failures of Talkdesk become values; KubeError passes."""

    def __init__(self, cluster: Cluster, api: TalkdeskApi) -> None:
        self._cluster = cluster
        self._api = api

    async def read_credentials(self, scope: Scope) -> Scope:
        """Read the Secret that the spec names."""
        register = scope.installation.spec.credentials
        if register is None:
            message = "no event with credentials has come, and spec.credentials names no Secret"
            failure = Failure(Reason.CREDENTIALS_MISSING, message, RetryClass.TERMINAL)
            return replace(scope, credentials=CredentialsMissing(failure))
        name = register.secret_name
        found = await self._set(scope, name)
        if isinstance(found, str):
            return replace(
                scope, credentials=CredentialsMissing(Failure(Reason.CREDENTIALS_LOST, found, RetryClass.TRANSIENT))
            )
        return replace(scope, credentials=found, secret_name=name)

    async def _set(self, scope: Scope, name: str) -> Credentials | str:
        """Read one set; a sentence says why there is none."""
        data = await self._cluster.read_credentials(scope.installation.metadata.namespace, name)
        if data is None:
            return f"the Secret {name} is gone; the tenant goes on, but Talkdesk can't be called before it is back"
        if not _value(data.get("client_id")):
            return f"the Secret {name} has no client_id"
        return _credentials(dict(data))

    async def read(self, scope: Scope, step: ReadTalkdesk) -> Scope:
        """Read what the step asks for, all at once.

        Where the newest set is refused, it is tried under the account's other name, as the token URL holds the name;
        and then others that are stored are.
        """
        result = await self._read(scope, step)
        if not _is_refused(result):
            return result
        async for other in self._others(scope):
            read = await self._read(other, step)
            if not _is_refused(read):
                return read
        return result

    async def _others(self, scope: Scope) -> AsyncIterator[Scope]:
        for url in _token_urls_of_other_names(scope):
            yield replace(scope, token_url=url)
        for name in (await self._cluster.previous_credentials(scope.installation))[:_OTHER_SETS]:
            found = await self._set(scope, name)
            if isinstance(found, Credentials):
                yield replace(scope, credentials=found, secret_name=name)

    async def _read(self, scope: Scope, step: ReadTalkdesk) -> Scope:
        access = access_of(scope)
        if isinstance(access, Failure):
            return replace(scope, remote=RemoteFailed(access))
        app_id, installation_id = _ids(scope)
        installation = self._api.installation(access, app_id, installation_id)
        if not step.facts:
            found, *_ = await asyncio.gather(installation, return_exceptions=True)
            return replace(scope, remote=_remote(found))
        found, account, subscription, trial = await asyncio.gather(
            installation,
            self._api.account(access),
            self._api.subscription(access, app_id, installation_id),
            self._api.trial(access, app_id, installation_id) if step.trial else _nothing(),
            return_exceptions=True,
        )
        remote = _remote(found)
        if not isinstance(remote, RemoteInstallation):
            return replace(scope, remote=remote)
        return _with_trial(_with_facts(scope, remote, account, subscription), trial)

    async def acknowledge(self, scope: Scope) -> Scope:
        """Tell Talkdesk that the set in use is stored and works; that it is known already is as good."""
        access = access_of(scope)
        if isinstance(access, Failure):
            return replace(scope, acknowledged=AcknowledgementState.FAILED, ack_failure=access)
        try:
            await self._api.acknowledge(access, *_ids(scope), access.credentials.client_id)
        except TalkdeskConflict:
            return replace(scope, acknowledged=AcknowledgementState.DONE)
        except TalkdeskError as error:
            return replace(scope, acknowledged=AcknowledgementState.FAILED, ack_failure=talkdesk_failure(error))
        return replace(scope, acknowledged=AcknowledgementState.DONE)

    async def send(self, scope: Scope, decision: Decision, reason: str) -> Scope:
        """Tell Talkdesk, and have its state read anew where that is needed to know what came of it."""
        access = access_of(scope)
        if isinstance(access, Failure):
            return replace(scope, sent=SendState.REFUSED, send_failure=access, remote=RemoteFailed(access))
        try:
            await self._api.answer(access, *_ids(scope), decision, reason)
        except TalkdeskError as error:
            sent = SendState.UNCLEAR if isinstance(error, _JUDGED_BY_STATE) else SendState.REFUSED
            return replace(scope, sent=sent, send_failure=talkdesk_failure(error), remote=None)
        return replace(scope, sent=SendState.DELIVERED)

    def forget(self, scope: Scope) -> None:
        """Drop what is cached for credentials that are deleted."""
        access = access_of(scope)
        if isinstance(access, Access):
            self._api.forget(access)


def access_of(scope: Scope) -> Access | Failure:
    """Put together what a call needs; a Failure says what is missing."""
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
        urgent=is_urgent(scope),
        background=scope.background,
    )


def _urls(spec: InstallationSpec, hosts: HostAllowList) -> tuple[str, str]:
    if spec.endpoints is not None:
        return spec.endpoints.api, spec.endpoints.token
    if not spec.account_name:
        raise ForeignHostError("neither spec.endpoints nor spec.accountName says where tokens come from")
    return hosts.api_url, hosts.token_url(spec.account_name)


def _token_urls_of_other_names(scope: Scope) -> Iterator[str]:
    """Yield the token URLs by the names that the account has had, but for the one that the events brought."""
    hosts, spec = scope.required_app.hosts, scope.installation.spec
    if hosts is None or spec.endpoints is None:
        return
    tried = {spec.endpoints.token}
    for name in (scope.known_facts.account.name, spec.account_name):
        with suppress(ForeignHostError):
            url = hosts.token_url(name or "")
            if url not in tried:
                tried.add(url)
                yield url


def _region_key(app: CompiledApp) -> str:
    metadata = app.resource.metadata
    return f"{metadata.namespace}/{metadata.name}"


def _ids(scope: Scope) -> tuple[str, str]:
    if scope.app is None:
        raise LookupError("the app is gone")
    return scope.app.resource.spec.app_id, scope.installation.spec.installation_id


async def _nothing() -> None:
    """Read nothing, where a value is awaited."""


def _is_refused(scope: Scope) -> bool:
    remote = scope.remote
    return isinstance(remote, RemoteFailed) and remote.failure.reason is Reason.CREDENTIALS_REFUSED


def _with_trial(scope: Scope, trial: RemoteTrial | BaseException | None) -> Scope:
    """Take the trial; where it can't be read, what is known of it stays."""
    if isinstance(trial, BaseException) and not isinstance(trial, TalkdeskError):
        raise trial
    return replace(scope, trial=trial) if isinstance(trial, RemoteTrial) else scope


def _value(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""


def _credentials(data: dict[str, SecretStr]) -> Credentials:
    return Credentials(
        client_id=_value(data.get("client_id")),
        client_secret=data.get("client_secret", SecretStr("")),
        private_key=data.get("private_key", SecretStr("")),
        key_id=_value(data.get("key_id")),
        key_algorithm=_value(data.get("key_algorithm")),
    )


def _remote(found: RemoteInstallation | BaseException) -> RemoteInstallation | RemoteMissing | RemoteFailed:
    match found:
        case RemoteInstallation():
            return found
        case TalkdeskNotFound():
            return RemoteMissing(found.message)
        case TalkdeskError():
            return RemoteFailed(talkdesk_failure(found))
        case _:
            raise found


def _with_facts(
    scope: Scope,
    remote: RemoteInstallation,
    account: Account | BaseException,
    subscription: Subscription | BaseException,
) -> Scope:
    for result in (account, subscription):
        if isinstance(result, BaseException) and not isinstance(result, TalkdeskError):
            raise result
    if isinstance(subscription, TalkdeskNotFound):
        subscription = Subscription()
    for result in (account, subscription):
        if isinstance(result, TalkdeskError):
            return replace(scope, remote=RemoteFailed(talkdesk_failure(result)))
    if not isinstance(account, Account) or not isinstance(subscription, Subscription):
        raise TypeError("neither a fact nor a failure")
    facts = Facts(
        AccountFacts(
            id=account.id[:128],
            name=_cut(account.name, 512),
            company_name=_cut(account.company_name, 512),
            timezone=_cut(account.timezone, 128),
        ),
        SubscriptionFacts(
            type=_cut(subscription.type, 128), name=_cut(subscription.name, 512), licenses=subscription.licenses
        ),
        _cut(remote.created_by, 128),
    )
    return replace(scope, remote=remote, facts=facts)


def _cut(text: str | None, length: int) -> str | None:
    return text[:length] if text is not None else None
