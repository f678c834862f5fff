"""Whatever happens on the way, the service ends with the users on the last list, each of them once."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from builders.scim import RecordsInMemory, SecretsInMemory, app_with_scim, pages, user
from talkdesk_operator.domain.ports.scim import Done, Failed, NotStarted, Order, Put, Ref, Result, Service
from talkdesk_operator.domain.ports.scim_errors import ScimError, ScimGone, ScimRateLimited, ScimUnavailable
from talkdesk_operator.reconcilers.users.sync import UserSync
from talkdesk_runtime.kube_errors import KubeUnreachable

URL = "https://scim.example.com"
FATES = ("done", "lost", "refused", "left", "ended", "vanished", "crash")
"""What becomes of an order: `lost` is done without our knowing, `vanished` was deleted there, `crash` kills us then."""


@dataclass
class Fateful:
    """A service that has users by external id, and a fate for each order."""

    fates: Iterator[str]
    records: RecordsInMemory
    users: dict[str, tuple[str, bool, str, bool]] = field(default_factory=dict)
    """Its id, whether active, name, whether marked as admin."""
    made: int = 0

    async def execute(
        self, _service: Service, orders: Sequence[Order], *, within: timedelta
    ) -> tuple[tuple[Result, ...], ScimError | None]:
        assert within > timedelta()
        results: list[Result] = []
        for order in orders:
            match next(self.fates, "done"):
                case "done":
                    results.append(self._do(order))
                case "lost":
                    self._do(order)
                    results.append(Failed(ScimUnavailable("m")))
                case "refused":
                    results.append(Failed(ScimGone("m")))
                case "left":
                    results.append(NotStarted())
                case "vanished":
                    self.users.pop(order.external_id, None)
                    results.append(self._do(order))
                case "crash":
                    self.records.error = KubeUnreachable("dead")
                    results.append(self._do(order))
                case _:
                    results += [NotStarted()] * (len(orders) - len(results))
                    return tuple(results), ScimRateLimited("m")
        return tuple(results), None

    async def aclose(self) -> None:
        """Nothing is open."""

    def _do(self, order: Order) -> Done:
        known = self.users.get(order.external_id)
        if isinstance(order, Put):
            self.made += known is None
            user_id = known[0] if known is not None else f"p{self.made}"
            admin = order.person.admin if order.roles or known is None else known[3]
            self.users[order.external_id] = (user_id, order.person.active, order.person.user_name, admin)
            return Done(Ref(user_id))
        if known is None:
            return Done(None)
        self.users[order.external_id] = (known[0], False, *known[2:])
        return Done(Ref(known[0]))


PEOPLE = st.dictionaries(st.integers(1, 6), st.sampled_from("abc"), max_size=6)
LISTS = st.lists(st.tuples(PEOPLE, st.integers(1, 6)), min_size=1, max_size=6)
"""Who is listed under which address, and who installed the app."""


@given(LISTS, st.lists(st.sampled_from(FATES), max_size=20), st.integers(1, 4))
def test_the_service_ends_with_the_users_of_the_last_list(
    lists: list[tuple[dict[int, str], int]], fates: list[str], batch: int
) -> None:
    asyncio.run(_lives(lists, fates, batch))


async def _lives(lists: list[tuple[dict[int, str], int]], fates: list[str], batch: int) -> None:
    records = RecordsInMemory()
    service = Fateful(iter(fates), records)

    async def bring(listed: dict[int, str], admin: int) -> bool:
        sync = UserSync(SecretsInMemory().read, records, service, batch=batch)
        people = [user(number, email=f"{mail}{number}@example.com") for number, mail in listed.items()]
        try:
            outcome = await sync.sync(app_with_scim(URL), "acme", {}, pages(people, 2), user(admin).id)
        except KubeUnreachable:
            records.error = None
            return False
        assert outcome.licensed <= len(listed)
        assert outcome.synced <= outcome.licensed
        return outcome.done and outcome.failure is None and outcome.synced == len(listed)

    for listed, admin in lists:
        await bring(listed, admin)
    service.fates = iter(())
    last, admin = lists[-1]
    assert await bring(last, admin)
    active = {user_id: (name, marked) for user_id, (_, active, name, marked) in service.users.items() if active}
    assert active == {
        user(number).id: (f"{mail}{number}@example.com", number == admin) for number, mail in last.items()
    }
    before = dict(service.users)
    saves = records.saves
    assert await bring(last, admin)
    assert (service.users, records.saves) == (before, saves)
