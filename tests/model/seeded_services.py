"""The seeded faults about `http` steps: what partners' services have of tenants."""

from model.mutants import Mutant

__all__ = ["SERVICE_MUTANTS"]

_OPERATOR = "operator/talkdesk_operator"
_HOOKS = f"{_OPERATOR}/domain/hooks"
_RECONCILERS = f"{_OPERATOR}/reconcilers/hooks"
_SERVICE, _SLOW, _TRIAL, _RETURN = "a service", "a slow service", "a service of a trial", "a return to a service"

SERVICE_MUTANTS = (
    Mutant(
        "what may be at a service is not on record before it is asked for",
        f"{_RECONCILERS}/tenant_hooks.py",
        "        entry = begun(before, due, wanted)\n        await self._save(step, entry)\n",
        "        entry = begun(before, due, wanted)\n",
        _SERVICE,
    ),
    Mutant(
        "what a service was asked for counts as not there",
        f"{_HOOKS}/machine.py",
        "    exists = Existence.MAYBE if entry.exists is Existence.NO else entry.exists",
        "    exists = entry.exists",
        _SERVICE,
    ),
    Mutant(
        "another request gets the same key",
        f"{_HOOKS}/machine.py",
        '        entry = replace(entry, generation=entry.generation + 1, inputs=inputs, message="")',
        '        entry = replace(entry, generation=1, inputs=inputs, message="")',
        _TRIAL,
    ),
    Mutant(
        "keys begin anew after a deletion",
        f"{_RECONCILERS}/tenant_hooks.py",
        "HookEntry(generation=last.generation, novel=last.novel)",
        "HookEntry(novel=last.novel)",
        _RETURN,
    ),
    Mutant(
        "what a customer has is deleted as an orphan",
        f"{_HOOKS}/machine.py",
        "    return Act.UPDATE if entry.exists is Existence.YES or not entry.novel else Act.PROVISION",
        "    return Act.PROVISION",
        _TRIAL,
    ),
    Mutant(
        "what a service is still at counts as done",
        f"{_HOOKS}/protocol.py",
        "            return InProgress(operation, reply.retry_after, _description(reply))",
        "            return Done()",
        _SLOW,
    ),
    Mutant(
        "a lost operation counts as done",
        f"{_HOOKS}/protocol.py",
        "        case 404 | 410:\n            return Later(",
        "        case 404 | 410 if act:\n            return Done()\n        case 404 | 410:\n            return Later(",
        _SLOW,
    ),
    Mutant(
        "what was refused is never asked for again",
        f"{_RECONCILERS}/services.py",
        "    return scope.resync or (retry is not None and retry.next_attempt_time <= scope.now)",
        "    return False",
        _SERVICE,
    ),
    Mutant(
        "no service is told that a customer has left",
        f"{_OPERATOR}/reconcilers/tenant_removal.py",
        "        if keeping is None:",
        "        if keeping is not None or True:",
        _SERVICE,
    ),
    Mutant(
        "a service is told of a customer who has left as of one who is here",
        f"{_OPERATOR}/reconcilers/template_variables.py",
        '    context["tenant"] |= {"state": TenantState.OFFBOARDED.value}\n',
        '    context["tenant"] |= {"state": TenantState.ACTIVE.value}\n',
        _SERVICE,
    ),
    Mutant(
        "a purge leaves what the services have",
        f"{_OPERATOR}/reconcilers/tenant_removal.py",
        "app, tenant, judge, (services, services.known))",
        "app, tenant, judge, (services, ()))",
        "a service of a purge",
    ),
    Mutant(
        "a 404 that names nothing says that no services are on record",
        f"{_OPERATOR}/adapters/kubernetes/hook_records.py",
        "                raise  # the path leads nowhere, so services may be on record",
        "                return None",
        _SERVICE,
    ),
)
