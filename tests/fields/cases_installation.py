"""What is expected of each field of a TalkdeskInstallation."""

from typing import Final

from builders.stack import INSTALLATION
from fields.effects import NOTHING, Case, Effect, Said, ends, refused, said, state

__all__ = ["INSTALLATION_CASES"]

_SAME: Final = Case(refused("can't be changed"))
_AWAY: Final = {"removed": refused("can't be taken away"), "null": refused("can't be taken away")}
_FOREIGN: Final = r"^False ForeignHost: the installation's spec.endpoints.{}: "
_LATER: Final = refused("must be later than the one stored")


def _ready(words: str) -> Effect:
    return said(Said(INSTALLATION, "Ready", words))


_ENDED: Final = said(
    Said(INSTALLATION, "Ready", r"TrialEnded: .*trial"),
    changes=r"ConfigMap settings\.data\.suspended$|TalkdeskTenant\.spec\.state$|appliedFields$",
)

INSTALLATION_CASES: Final[dict[str, Case]] = {
    "appRef": Case(NOTHING),
    "appRef.name": _SAME,
    "installationId": _SAME,
    "accountId": _SAME,
    "accountName": Case(),
    "endpoints": Case(),
    "endpoints.api": Case(_ready(_FOREIGN.format("api"))),
    "endpoints.token": Case(_ready(_FOREIGN.format("token"))),
    "endpoints.authorization": Case(),
    "request": Case(NOTHING, _AWAY),
    "request.type": Case(refused("another type is another request")),
    "request.eventId": Case(ends(state("answer|conditions.Answered$"))),
    "request.eventTime": Case(_LATER, {"the last day": ends(NOTHING)}),
    "request.appVersion": Case(),
    "request.reason": Case(),
    "request.changes": Case(),
    "trial": Case(NOTHING, _AWAY),
    "trial.state": Case(state(r"trial\.state$"), {"member Ended": _ENDED}),
    "trial.eventId": Case(),
    "trial.eventTime": Case(_LATER, {"the last day": ends(NOTHING)}),
    "trial.expirationTime": Case(Effect(may=r"status\.trial\.state$")),
    "trial.endedReason": Case(state(r"trial\.endedReason$"), {"null": NOTHING}),
    "credentials": Case(NOTHING, _AWAY),
    "credentials.secretName": Case(_ready("^False CredentialsLost: .*Secret")),
    "credentials.eventId": Case(),
    "credentials.eventTime": Case(_LATER, {"the last day": ends(NOTHING)}),
    "credentials.origin": Case(NOTHING, {"member Rotation": ends(state(r"credentials\.acknowledgedEventId$"))}),
    "approval": Case(),
    "approval.eventId": Case(refused("must be that of spec.request")),
    "approval.decision": Case(),
    "approval.reason": Case(),
    "approval.decidedBy": Case(refused("write your user name")),
    "paused": Case(_ready("^False Paused: .*paused"), {"false": NOTHING, "removed": NOTHING, "null": NOTHING}),
    "deletionPolicy": Case(),
}
