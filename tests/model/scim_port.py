"""The SCIM service as the operator calls it: the model's truth behind the port, with every order a point of choice."""

from collections.abc import Sequence
from datetime import timedelta

from model.user_properties import judge_activation, judge_deactivation
from model.world import World
from talkdesk_operator.domain.ports.scim import Done, Failed, NotStarted, Order, Put, Ref, Result, Service
from talkdesk_operator.domain.ports.scim_errors import ScimError

__all__ = ["ScimPort"]


class ScimPort:
    """Implements ScimService."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def execute(
        self, service: Service, orders: Sequence[Order], *, within: timedelta
    ) -> tuple[tuple[Result, ...], ScimError | None]:
        assert within > timedelta()
        assert service.token.get_secret_value() == "canary-made-up-token"
        results: list[Result] = []
        for order in orders:
            result = self._result(order)
            if isinstance(result, ScimError):
                return (*results, *[NotStarted()] * (len(orders) - len(results))), result
            results.append(result)
        return tuple(results), None

    def _result(self, order: Order) -> Result | ScimError:
        """Return what becomes of an order; an error where the service as a whole fails."""
        verb, who = "PUT-USER" if isinstance(order, Put) else "DEACTIVATE-USER", order.external_id
        try:
            done: Done = self._world.effect(f"{verb} {who}", lambda: self._carry_out(order))
        except ScimError as error:
            if error.concerns_all:
                return error
            self._world.scim = self._world.scim.refuse(who)
            return Failed(error)
        return done

    def _carry_out(self, order: Order) -> Done:
        who, scim = order.external_id, self._world.scim
        assert order.ref in (None, Ref(f"p-{who}"))
        if isinstance(order, Put):
            judge_activation(self._world, who)
            self._world.scim = scim.put(who, active=order.person.active)
            return Done(Ref(f"p-{who}"))
        judge_deactivation(self._world, who)
        if who not in dict(scim.users):
            return Done(None)
        self._world.scim = scim.put(who, active=False)
        return Done(Ref(f"p-{who}"))

    async def aclose(self) -> None:
        """Nothing is open."""
