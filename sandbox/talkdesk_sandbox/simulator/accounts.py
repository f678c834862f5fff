"""What happens to accounts and their users: made, renamed, users added, changed and removed.

Belongs here: operations on a `World`. Does not belong here: licenses of users (`installations`).
"""

from datetime import datetime

from talkdesk_sandbox.simulator.model import Account, User
from talkdesk_sandbox.simulator.world import ConflictError, World, new_id


def ensure_account(
    world: World,
    name: str,
    now: datetime,
    *,
    account_id: str | None = None,
    company_name: str | None = None,
    timezone: str = "Europe/Lisbon",
    root: str | None = None,
) -> Account:
    """Find an account by name or make it, with one administrator. Raises ConflictError for a taken id."""
    if (known := world.account_named(name)) is not None:
        return known
    chosen = account_id or new_id()
    if chosen in world.accounts:
        raise ConflictError(f"account id {chosen!r} belongs to {world.accounts[chosen].name!r}")
    account = Account(chosen, name, company_name or f"{name.capitalize()} Inc.", timezone, now, root)
    world.add_account(account)
    add_users(account, 1, now)
    return account


def add_users(account: Account, count: int, now: datetime) -> list[User]:
    """Add users with made-up names; return the new ones."""
    first = account.users_made + 1
    account.users_made += count
    added = [
        User(new_id()[:24], f"user{number}@{account.id[:8]}.example", f"User {number}", now)
        for number in range(first, first + count)
    ]
    account.users |= {user.id: user for user in added}
    return added


def remove_users(world: World, account: Account, user_ids: list[str]) -> None:
    """Remove users from an account, and with them their licenses. Raises NotFoundError before any change."""
    for user_id in user_ids:
        world.user(account, user_id)
    for user_id in user_ids:
        account.users.pop(user_id, None)
        for installation in world.installations.values():
            if installation.account_id == account.id:
                installation.users.pop(user_id, None)


def rename(world: World, account: Account, name: str) -> None:
    """Rename an account; its token URL changes with it. Raises ConflictError for a taken name."""
    if world.account_named(name) not in {None, account}:
        raise ConflictError(f"there is another account {name!r}")
    world.rename_account(account, name)
