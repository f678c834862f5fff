"""What the service keeps, in SQLite by SQLAlchemy.

Belongs here: tables, and transactions of which one at a time can write. Does not belong here: when what is written.
With another database, the primary keys below do the same work as SQLite's lock: of two that claim a tenant, one fails.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import JSON, Connection, create_engine, delete, event, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

__all__ = ["Answered", "Notification", "Operation", "Records", "Tenant"]


class _Base(DeclarativeBase):
    """The tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {dict[str, Any]: JSON}


class Tenant(_Base):
    """What there is for a customer."""

    __tablename__ = "tenants"
    id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    generation: Mapped[int]
    body: Mapped[dict[str, Any]]
    """The last request that was carried out."""
    outputs: Mapped[dict[str, Any]]
    secrets: Mapped[dict[str, Any]]


class Operation(_Base):
    """What is under way for a tenant, at most one thing at a time; or the last one, if it failed."""

    __tablename__ = "operations"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    """The idempotency key; the operation's name, too."""
    method: Mapped[str]
    body: Mapped[dict[str, Any]]
    due: Mapped[float | None]
    """When it ends, in seconds since 1970; None while a request waits for it."""
    problem: Mapped[str | None]
    """Why it failed."""


class Answered(_Base):
    """A request that was carried out, and its answer: the same key gets the same answer."""

    __tablename__ = "answered"
    key: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(index=True)
    method: Mapped[str]
    digest: Mapped[str]
    """Of the body: another body under the same key is another request."""
    status: Mapped[int]
    content: Mapped[dict[str, Any]]


class Notification(_Base):
    """What the operator told of an installation, once."""

    __tablename__ = "notifications"
    arrival: Mapped[int] = mapped_column(primary_key=True)
    """Its place among all that came."""
    id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    sequence: Mapped[str]
    time: Mapped[str]
    data: Mapped[dict[str, Any]]


class Records:
    """The database, in a file that is made where there is none; `close` when done."""

    def __init__(self, file: Path) -> None:
        self._engine = create_engine(f"sqlite:///{file}")
        event.listen(self._engine, "connect", _leave_transactions_to_us)
        event.listen(self._engine, "begin", _begin)
        _Base.metadata.create_all(self._engine)
        self._end_interrupted()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Yield a session; what it did is kept when the block ends without an error, all or nothing."""
        with Session(self._engine) as session, session.begin():
            yield session

    def forget(self, session: Session, tenant: str) -> None:
        """Delete a tenant; a late copy of one of its requests is refused, and must not make it again."""
        gone = {"description": "the tenant was deleted after this request"}
        session.execute(delete(Tenant).where(Tenant.id == tenant))
        answers = update(Answered).where(Answered.tenant == tenant, Answered.method == "PUT")
        session.execute(answers.values(status=422, content=gone))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _end_interrupted(self) -> None:
        """Let requests that a crash interrupted be sent again: nobody is at them any more."""
        with self.transaction() as session:
            session.execute(delete(Operation).where(Operation.due.is_(None)))


def _leave_transactions_to_us(connection: Any, _: object) -> None:
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    # Takes the lock for writing at once, so that what was read is still true when it is written.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
