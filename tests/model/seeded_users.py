"""The seeded faults about users and the SCIM service."""

from model.mutants import Mutant

__all__ = ["USER_MUTANTS"]

_OPERATOR = "operator/talkdesk_operator"
_INSTALLATION = f"{_OPERATOR}/domain/installation"
_USERS, _CHANGE, _PURGE = "users", "users change", "users of a purge"

USER_MUTANTS = (
    Mutant(
        "an install is approved before its users are synced",
        f"{_INSTALLATION}/prerequisites.py",
        "    return None if outcome.finished else _continue_users(scope, outcome)",
        "    return None",
        _USERS,
    ),
    Mutant(
        "an uninstall is acknowledged before its users are deactivated",
        f"{_INSTALLATION}/uninstall.py",
        "        return (_users(scope) if outcome.done_but_outside else None) or waiting\n    return _users(scope)",
        "        return (_users(scope) if outcome.done_but_outside else None) or waiting\n    return None",
        _USERS,
    ),
    Mutant(
        "a list that breaks off counts as read to its end",
        f"{_OPERATOR}/reconcilers/users/batches.py",
        "            broken = talkdesk_failure(error)",
        "            self._complete = True",
        _CHANGE,
    ),
    Mutant(
        "a user is sent before the record says so",
        f"{_OPERATOR}/domain/users/decide.py",
        "    active = known.active or order.person.active",
        "    active = known.active",
        _USERS,
    ),
    Mutant(
        "who could not be deactivated counts as inactive",
        f"{_OPERATOR}/domain/users/decide.py",
        "    if failure is None or failure.retry_class is not RetryClass.TERMINAL:",
        "    if failure is None or failure.retry_class is RetryClass.TERMINAL:",
        _USERS,
    ),
    Mutant(
        "what is on record of users outlives the tenant",
        f"{_OPERATOR}/reconcilers/tenant_removal.py",
        "                await self._users.forget(tenant)",
        "                pass",
        _PURGE,
    ),
    Mutant(
        "a 404 that names nothing says that no users are on record",
        f"{_OPERATOR}/adapters/kubernetes/user_records.py",
        "            except KubeNotFound:\n                self._versions",
        "            except KubeNotFound.__base__:\n                self._versions",
        _USERS,
    ),
    Mutant(
        "a user's name is kept on record",
        f"{_OPERATOR}/domain/users/decide.py",
        "    return hashlib.blake2b(orjson.dumps(sent), digest_size=_DIGEST_BYTES, key=key).hexdigest()",
        "    return orjson.dumps(sent).decode()",
        _USERS,
    ),
)
