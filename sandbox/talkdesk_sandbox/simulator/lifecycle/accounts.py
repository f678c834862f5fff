"""What happens to accounts and their users: created, renamed, users added and removed.

Belongs here: operations on accounts. Does not belong here: licenses of users (`installations`).
"""

from datetime import datetime

from talkdesk_sandbox.simulator.state.entities import Account, User
from talkdesk_sandbox.simulator.state.errors import ConflictError
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState, new_id


def ensure_account(
    state: TalkdeskState,
    name: str,
    now: datetime,
    *,
    account_id: str | None = None,
    company_name: str | None = None,
    timezone: str = "Europe/Lisbon",
    root: str | None = None,
) -> Account:
    """Return an account by name; create it with one administrator when it is new.

    Raises ConflictError when the id belongs to another account.
    """
    if (known := state.account_named(name)) is not None:
        return known
    chosen = account_id or new_id()
    if chosen in state.accounts:
        raise ConflictError(f"account id {chosen!r} belongs to {state.accounts[chosen].name!r}")
    account = Account(chosen, name, company_name or f"{name.capitalize()} Inc.", timezone, now, root)
    state.add_account(account)
    add_users(account, 1, now)
    return account


def add_users(account: Account, count: int, now: datetime) -> list[User]:
    """Add users with made-up names and return them."""
    first = account.users_made + 1
    account.users_made += count
    added = [
        User(new_id()[:24], f"user{number}@{account.id[:8]}.example", f"User {number}", now)
        for number in range(first, first + count)
    ]
    account.users |= {user.id: user for user in added}
    return added


def remove_users(state: TalkdeskState, account: Account, user_ids: list[str]) -> None:
    """Remove users from an account, and with them their licenses. Raises NotFoundError before any change."""
    for user_id in user_ids:
        state.user(account, user_id)
    for user_id in user_ids:
        account.users.pop(user_id, None)
        for installation in state.installations.values():
            if installation.account_id == account.id:
                installation.users.pop(user_id, None)


def rename(state: TalkdeskState, account: Account, name: str) -> None:
    """Rename an account; its token URL changes with it. Raises ConflictError when the name is taken."""
    if state.account_named(name) not in {None, account}:
        raise ConflictError(f"there is another account {name!r}")
    state.rename_account(account, name)
