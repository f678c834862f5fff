"""When Talkdesk ended a user's session, in SQLite: after a restart no ended session may come to life again.

Belongs here: keeping the newest time, in whatever order and how often logouts come. Does not belong here: signatures.
"""

from pathlib import Path

from sqlalchemy import create_engine, func
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

__all__ = ["Logouts"]


class _Base(DeclarativeBase):
    """The table."""


class _Logout(_Base):
    """The newest logout of a user."""

    __tablename__ = "logouts"
    account: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[float]
    """Seconds since 1970."""


class Logouts:
    """The database, in a file that is made where there is none; `close` when done."""

    def __init__(self, file: Path) -> None:
        self._engine = create_engine(f"sqlite:///{file}")
        _Base.metadata.create_all(self._engine)

    def record(self, account: str, user: str, at: float) -> None:
        """Keep a logout; one that is older than what is kept changes nothing."""
        new = insert(_Logout).values(account=account, user=user, at=at)
        newest = {"at": func.max(_Logout.at, new.excluded.at)}
        with Session(self._engine) as session, session.begin():
            session.execute(new.on_conflict_do_update(index_elements=["account", "user"], set_=newest))

    def last(self, account: str, user: str) -> float | None:
        """Return when the user was logged out last, in seconds since 1970."""
        with Session(self._engine) as session:
            found = session.get(_Logout, (account, user))
            return None if found is None else found.at

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
