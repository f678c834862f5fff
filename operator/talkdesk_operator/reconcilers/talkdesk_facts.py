"""What was read at Talkdesk, put into a scope.

Belongs here: which errors are an answer, and the lengths that a status holds, pure. Does not belong here: making calls
(`talkdesk_steps`).
"""

from dataclasses import replace

from talkdesk_crds.installation import AccountFacts, SubscriptionFacts
from talkdesk_operator.domain.ports.talkdesk import (
    Account,
    RemoteInstallation,
    RemoteTrial,
    Subscription,
    TalkdeskError,
    TalkdeskNotFound,
)
from talkdesk_operator.domain.reconcile.error_policy import talkdesk_failure
from talkdesk_operator.domain.reconcile.scope import Facts, RemoteFailed, RemoteMissing, Scope

__all__ = ["remote_of", "with_facts", "with_trial"]


def with_trial(scope: Scope, trial: RemoteTrial | BaseException | None) -> Scope:
    """Put the trial into the scope; what is known of it stays where it can't be read."""
    if isinstance(trial, BaseException) and not isinstance(trial, TalkdeskError):
        raise trial
    return replace(scope, trial=trial) if isinstance(trial, RemoteTrial) else scope


def remote_of(found: RemoteInstallation | BaseException) -> RemoteInstallation | RemoteMissing | RemoteFailed:
    """Return what came of reading the installation. Raises what is no TalkdeskError."""
    match found:
        case RemoteInstallation():
            return found
        case TalkdeskNotFound():
            return RemoteMissing(found.message)
        case TalkdeskError():
            return RemoteFailed(talkdesk_failure(found))
        case _:
            raise found


def with_facts(
    scope: Scope,
    remote: RemoteInstallation,
    account: Account | BaseException,
    subscription: Subscription | BaseException,
) -> Scope:
    """Put the facts into the scope; one that can't be read makes the whole reading a failure."""
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
