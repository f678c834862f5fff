"""Users' sessions at Talkdesk: begun by a login, found by a browser's cookie, ended by a logout.

Belongs here: sessions. Does not belong here: pages and cookies (`api`), what apps get from a session (`tokens`).
Sessions last by real time, because browsers can't see that the simulator's clock was moved.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.state.entities import Account, User
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState, new_id


@dataclass(slots=True, eq=False)
class Login:
    """One user's session in one browser."""

    id: str
    """What answers name as `sid`; it opens nothing."""
    account: Account
    user: User
    began_at: datetime
    """By real time."""
    ended: bool = False


class Logins:
    """All sessions, by what the browser's cookie holds."""

    def __init__(self, state: TalkdeskState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._logins: dict[str, Login] = {}

    def begin(self, account: Account, user: User) -> str:
        """Begin a session; return what its cookie holds, which is new for each login."""
        cookie = secrets.token_urlsafe(32)
        self._logins[cookie] = Login(new_id(), account, user, self._clock.wall())
        return cookie

    def find(self, account: Account, cookie: str | None) -> Login | None:
        """Return the session of a cookie; None when it is another account's, over, or of a user who is not active."""
        login = self._logins.get(cookie or "")
        if login is None or login.account is not account or not self._is_alive(login):
            return None
        return login if login.user.active and login.user.id in account.users else None

    def end(self, account: Account, user_id: str) -> None:
        """End a user's sessions in all browsers; what apps got from them ends as well."""
        for login in self._logins.values():
            if login.account is account and login.user.id == user_id:
                login.ended = True

    def remove_ended(self) -> None:
        """Remove sessions that are over."""
        self._logins = {cookie: login for cookie, login in self._logins.items() if self._is_alive(login)}

    def _is_alive(self, login: Login) -> bool:
        return not login.ended and self._clock.wall() < login.began_at + self._state.behavior.login_lifetime
