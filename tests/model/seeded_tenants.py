"""The seeded faults about trials, edits of an app, and drift."""

from model.mutants import Mutant

__all__ = ["TENANT_MUTANTS"]

_OPERATOR = "operator/talkdesk_operator"
_DOMAIN = f"{_OPERATOR}/domain/tenant"
_TRIAL, _EDIT, _RETENTION, _DRIFT = "a trial", "an edit", "an edit of the retention", "drift"

TENANT_MUTANTS = (
    Mutant(
        "whoever pays after the end of the trial stays suspended",
        f"{_DOMAIN}/entitlement.py",
        "    if scope.best_known_facts.subscription.type == _PAID:",
        "    if False:",
        _TRIAL,
    ),
    Mutant(
        "a trial suspends while it runs",
        f"{_DOMAIN}/entitlement.py",
        "    if trial is None or trial.state is not TrialState.ENDED or trial.ended_reason in _NOT_SUSPENDING:",
        "    if trial is None or trial.ended_reason in _NOT_SUSPENDING:",
        _TRIAL,
    ),
    Mutant(
        "the end of a trial whose event was lost is not looked for",
        f"{_DOMAIN}/entitlement.py",
        "        return trial.state is not TrialState.ENDED",
        "        return False",
        _TRIAL,
    ),
    Mutant(
        "what was to be kept goes when it leaves the template",
        f"{_DOMAIN}/pruning.py",
        '    deletes = entry.on_remove == "Delete" or (entry.on_remove is None and _kind(entry) in DELETED_BY_DEFAULT)',
        "    deletes = True",
        _EDIT,
    ),
    Mutant(
        "what was to go stays when it leaves the template",
        f"{_DOMAIN}/pruning.py",
        '    deletes = entry.on_remove == "Delete" or (entry.on_remove is None and _kind(entry) in DELETED_BY_DEFAULT)',
        "    deletes = False",
        _EDIT,
    ),
    Mutant(
        "an edit of the retention counts at once",
        f"{_DOMAIN}/edit_grace.py",
        "    return until if until is not None and until > now else None",
        "    return None",
        _RETENTION,
    ),
    Mutant(
        "an edit that is not on record yet counts as made long ago",
        f"{_DOMAIN}/edit_grace.py",
        "    changed = deletion_policies(app, now).last_transition_time",
        "    changed = app.status.deletion_policies and app.status.deletion_policies.last_transition_time",
        _RETENTION,
    ),
    Mutant(
        "what is on record is not applied again",
        f"{_OPERATOR}/reconcilers/objects.py",
        "if self._versions.is_unchanged(manifest, known.uid, step, state.owner.identity, state.earlier):",
        "if not state.earlier.again and known.uid:",
        _DRIFT,
    ),
)
