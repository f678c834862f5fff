"""The steps at Talkdesk: read credentials and Talkdesk's side of an installation, acknowledge, answer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace

from pydantic import SecretStr

from talkdesk_crds.conditions import Reason
from talkdesk_crds.hosts import ForeignHostError
from talkdesk_crds.installation import Decision
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.talkdesk import (
    Access,
    Credentials,
    RemoteInstallation,
    TalkdeskApi,
    TalkdeskConflict,
    TalkdeskError,
    TalkdeskForbidden,
    TalkdeskNotFound,
    TalkdeskOutcomeUnknown,
)
from talkdesk_operator.domain.reconcile.error_policy import talkdesk_failure
from talkdesk_operator.domain.reconcile.scope import (
    AcknowledgementState,
    CredentialsMissing,
    Failure,
    RemoteFailed,
    RetryClass,
    Scope,
    SendState,
)
from talkdesk_operator.domain.reconcile.steps import ReadTalkdesk
from talkdesk_operator.reconcilers.talkdesk_access import access_of
from talkdesk_operator.reconcilers.talkdesk_facts import remote_of, with_facts, with_trial

__all__ = ["TalkdeskSteps"]

_PREVIOUS_VERSIONS = 3
"""Credential versions that are tried when the newest is refused; Talkdesk keeps two alive."""
_JUDGED_BY_STATE = (TalkdeskConflict, TalkdeskForbidden, TalkdeskNotFound, TalkdeskOutcomeUnknown)
"""Errors that an answer may get because nothing waits for it any more: 403 and 404 are also said to mean that."""


class TalkdeskSteps:
    """Carries out the steps at Talkdesk. Failures of Talkdesk become values; KubeError is raised."""

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
        found = await self._credential_version(scope, name)
        if isinstance(found, str):
            return replace(
                scope, credentials=CredentialsMissing(Failure(Reason.CREDENTIALS_LOST, found, RetryClass.TRANSIENT))
            )
        return replace(scope, credentials=found, secret_name=name)

    async def _credential_version(self, scope: Scope, name: str) -> Credentials | str:
        """Read one credential version; a sentence says why there is none."""
        data = await self._cluster.read_credentials(scope.installation.metadata.namespace, name)
        if data is None:
            return f"the Secret {name} is gone; the tenant goes on, but Talkdesk can't be called before it is back"
        if not _value(data.get("client_id")):
            return f"the Secret {name} has no client_id"
        return _credentials(dict(data))

    async def read(self, scope: Scope, step: ReadTalkdesk) -> Scope:
        """Read what the step asks for, all at once.

        When Talkdesk refuses the newest credential version, it is tried at the token URLs of the account's other names,
        and then the previous versions are tried.
        """
        result = await self._read(scope, step)
        if not _is_refused(result):
            return result
        async for alternative in self._alternatives(scope):
            read = await self._read(alternative, step)
            if not _is_refused(read):
                return read
        return result

    async def _alternatives(self, scope: Scope) -> AsyncIterator[Scope]:
        for url in _token_urls_of_other_names(scope):
            yield replace(scope, token_url=url)
        for name in (await self._cluster.previous_credentials(scope.installation))[:_PREVIOUS_VERSIONS]:
            found = await self._credential_version(scope, name)
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
            return replace(scope, remote=remote_of(found))
        found, account, subscription, trial = await asyncio.gather(
            installation,
            self._api.account(access),
            self._api.subscription(access, app_id, installation_id),
            self._api.trial(access, app_id, installation_id) if step.trial else _nothing(),
            return_exceptions=True,
        )
        remote = remote_of(found)
        if not isinstance(remote, RemoteInstallation):
            return replace(scope, remote=remote)
        return with_trial(with_facts(scope, remote, account, subscription), trial)

    async def acknowledge(self, scope: Scope) -> Scope:
        """Acknowledge at Talkdesk the credential version in use; a 409 means that this was done before."""
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
        """Send the answer; where its outcome is not certain, have Talkdesk's state read again."""
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
        """Drop the token that is cached for credentials that are deleted."""
        access = access_of(scope)
        if isinstance(access, Access):
            self._api.forget(access)


def _token_urls_of_other_names(scope: Scope) -> Iterator[str]:
    """Yield the token URLs by the account's other known names, without the one that the events brought."""
    hosts, spec = scope.required_app.hosts, scope.installation.spec
    if hosts is None or spec.endpoints is None:
        return
    tried = {spec.endpoints.token}
    for name in (scope.best_known_facts.account.name, spec.account_name):
        with suppress(ForeignHostError):
            url = hosts.token_url(name or "")
            if url not in tried:
                tried.add(url)
                yield url


def _ids(scope: Scope) -> tuple[str, str]:
    if scope.app is None:
        raise LookupError("the app is gone")
    return scope.app.resource.spec.app_id, scope.installation.spec.installation_id


async def _nothing() -> None:
    """Read nothing where a value is awaited."""


def _is_refused(scope: Scope) -> bool:
    remote = scope.remote
    return isinstance(remote, RemoteFailed) and remote.failure.reason is Reason.CREDENTIALS_REFUSED


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
