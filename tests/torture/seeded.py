"""Faults of one place that an undisturbed life does not show; `make torture ARGS=--mutants` finds each.

`scene` is the one disturbance that is tried.
"""

from typing import Final

from model.mutants import Mutant

__all__ = ["MUTANTS"]

_OPERATOR: Final = "operator/talkdesk_operator"
_FORGET: Final = "                await self._users.forget(tenant)\n"
_RELEASE: Final = """\
                await self._emit_purge_event(tenant)
                left = await self._cluster.release_tenant(tenant)
                if left is not None:
                    await self._cluster.delete_tenant(left)
"""

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
        "the record of a tenant goes before what is stored about its users",
        f"{_OPERATOR}/reconcilers/tenant_removal.py",
        f"{_FORGET}{_RELEASE}",
        f"{_RELEASE}{_FORGET}",
        "kill-after at operator kubernetes: DELETE talkdesktenants/RECORD #1 in a purge",
    ),
)
