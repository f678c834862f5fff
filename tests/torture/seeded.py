"""Faults of one place that an undisturbed life does not show; `make torture ARGS=--mutants` finds each.

`scene` is the one disturbance that is tried.
"""

from typing import Final

from model.mutants import Mutant

__all__ = ["MUTANTS"]

_OPERATOR: Final = "operator/talkdesk_operator"
_CREDENTIALS: Final = "/apps/APPID/installations/I1/credentials"

MUTANTS: Final = (
    Mutant(
        "an answer is never put on record before its call",
        f"{_OPERATOR}/domain/installation/answer_record.py",
        'return scope.request.type is not RequestType.INSTALL or word != "installing"',
        'return scope.request.type is RequestType.INSTALL and word != "installing"',
        "kill-after at operator talkdesk: POST /apps/APPID/installations/I1/state #1 in an uninstall",
    ),
    Mutant(
        "credentials that are stored already are refused",
        "webhook/talkdesk_webhook/inbox.py",
        "except KubeAlreadyExists:\n            return False",
        "except KubeNotFound:\n            return False",
        "lost-answer at webhook kubernetes: POST secrets(APP-I1-HASH) #1 in an install on trial",
    ),
    Mutant(
        "an acknowledgement that Talkdesk has already counts as refused",
        f"{_OPERATOR}/reconcilers/talkdesk_steps.py",
        "            return replace(scope, acknowledged=AcknowledgementState.DONE)\n",
        "            return replace(scope, acknowledged=AcknowledgementState.FAILED)\n",
        f"lost-answer at operator talkdesk: POST {_CREDENTIALS}/I1CLIENT2/state #1 in a rotation",
    ),
)
