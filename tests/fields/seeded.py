"""Faults of one place, each of a kind that only a change of a field shows; `make fields ARGS=--mutants` finds each.

`scene` is the field that is changed.
"""

from typing import Final

from model.mutants import Mutant

__all__ = ["MUTANTS"]

_OPERATOR: Final = "operator/talkdesk_operator"
_LIFECYCLE: Final = f"{_OPERATOR}/domain/installation/lifecycle.py"

MUTANTS: Final = (
    Mutant(
        "a paused app goes on",
        _LIFECYCLE,
        "if scope.app is not None and scope.app.resource.spec.paused:",
        "if scope.app is None:",
        "TalkdeskApp paused",
    ),
    Mutant(
        "what a template says to retain is deleted when it leaves the template",
        f"{_OPERATOR}/domain/tenant/pruning.py",
        'entry.on_remove == "Delete" or (entry.on_remove is None and _kind(entry) in DELETED_BY_DEFAULT)',
        "entry.on_remove is not None or _kind(entry) in DELETED_BY_DEFAULT",
        "TalkdeskApp tenant.steps[]",
    ),
    Mutant(
        "a foreign host is said without its field",
        f"{_OPERATOR}/domain/installation/reachability.py",
        'f"the installation\'s spec.{field}: {error}"',
        "str(error)",
        "TalkdeskInstallation endpoints.api",
    ),
    Mutant(
        "the end of a trial suspends nobody",
        f"{_OPERATOR}/domain/tenant/entitlement.py",
        "scope.required_app.resource.spec.trial.on_end, Reason.TRIAL_ENDED",
        "SuspensionPolicy.KEEP, Reason.TRIAL_ENDED",
        "TalkdeskInstallation trial.state",
    ),
    Mutant(
        "a scope that is not granted counts against the credentials",
        f"{_OPERATOR}/adapters/talkdesk/responses.py",
        '_error_code(response) == "invalid_scope"',
        '_error_code(response) == "invalid_client"',
        "TalkdeskApp auth.scopes[]",
    ),
)
