"""The steps at Talkdesk: read credentials and Talkdesk's side of an installation, acknowledge, answer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from pydantic import SecretStr

from talkdesk_crds.conditions import Reason
from talkdesk_crds.hosts import ForeignHostError
from talkdesk_crds.installation import Decision
from talkdesk_operator.domain.ports.cluster import Cluster, ForeignSecret
from talkdesk_operator.domain.ports.talkdesk import (
    Credentials,
    RemoteInstallation,
    TalkdeskApi,
    TalkdeskConflict,
    TalkdeskError,
)
from talkdesk_operator.domain.reconcile.error_policy import send_state, talkdesk_failure
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
from talkdesk_operator.reconcilers.talkdesk_access import access_of, holder_of
from talkdesk_operator.reconcilers.talkdesk_facts import remote_of, with_facts, with_trial

__all__ = ["TalkdeskSteps"]

_PREVIOUS_VERSIONS = 3
"""Credential versions that are tried when the newest is refused; Talkdesk keeps two alive."""


class TalkdeskSteps:
    """Carries out the steps at Talkdesk. Failures of Talkdesk become values; KubeError is raised."""

    def __init__(self, cluster: Cluster, api: TalkdeskApi) -> None:
        self._cluster = cluster
        self._api = api

    async def read_credentials(self, scope: Scope) -> Scope:
        """Read the Secret that the spec names; where it names none, the newest that the installation has."""
        register = scope.installation.spec.credentials
        if register is None:
            return await self._read_newest(scope)
        found = await self._credential_version(scope, register.secret_name)
        if isinstance(found, Failure):
            return replace(scope, credentials=CredentialsMissing(found))
        return replace(scope, credentials=found, secret_name=register.secret_name)

    async def _read_newest(self, scope: Scope) -> Scope:
        """Read the newest stored version: the object may have been made anew after a person deleted it."""
        async for version in self._stored_versions(scope):
            return version
        message = "no event with credentials has come, spec.credentials names no Secret, and none is stored"
        return replace(
            scope, credentials=CredentialsMissing(Failure(Reason.CREDENTIALS_MISSING, message, RetryClass.TERMINAL))
        )

    async def _credential_version(self, scope: Scope, name: str) -> Credentials | Failure:
        """Read one credential version; a failure says why there is none."""
        data = await self._cluster.read_credentials(scope.installation, name)
        if data is None:
            message = f"the Secret {name} is gone; the tenant goes on, but Talkdesk can't be called before it is back"
            return Failure(Reason.CREDENTIALS_LOST, message, RetryClass.TRANSIENT)
        if isinstance(data, ForeignSecret):
            message = (
                f"the Secret {name} does not hold this installation's credentials, because {data.why}; "
                "it is neither used nor deleted"
            )
            return Failure(Reason.CREDENTIALS_FOREIGN, message, RetryClass.SLOW)
        if not _value(data.get("client_id")):
            return Failure(Reason.CREDENTIALS_LOST, f"the Secret {name} has no client_id", RetryClass.TRANSIENT)
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
        async for version in self._stored_versions(scope):
            yield version

    async def _stored_versions(self, scope: Scope) -> AsyncIterator[Scope]:
        """Yield the scope with each stored version that the spec does not name, newest first."""
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

    async def send(self, scope: Scope, decision: Decision, reason: str) -> tuple[Scope, datetime | None]:
        """Send the answer, and return also when Talkdesk's state changed with it, if Talkdesk says so.

        Where it was not accepted, or may not have been, Talkdesk's state is to be read again.
        """
        access = access_of(scope)
        if isinstance(access, Failure):
            return replace(scope, sent=SendState.REFUSED, send_failure=access, remote=RemoteFailed(access)), None
        try:
            result_time = await self._api.answer(access, *_ids(scope), decision, reason)
        except TalkdeskError as error:
            return replace(scope, sent=send_state(error), send_failure=talkdesk_failure(error), remote=None), None
        return replace(scope, sent=SendState.DELIVERED), result_time

    def forget(self, scope: Scope) -> None:
        """Drop what is cached of credentials that are deleted."""
        self._api.forget(holder_of(scope))


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
