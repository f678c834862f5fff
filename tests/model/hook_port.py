"""The partner's service as the operator calls it: the model's truth behind the port, every call a point of choice."""

import hashlib
from urllib.parse import urlsplit

from model.hook_properties import judge_delete, judge_key, judge_put
from model.hook_truth import Held, Instead, held_of
from model.world import World
from talkdesk_operator.domain.ports.hooks import Answer, HookRequest, HookTarget, Unanswered

__all__ = ["HookPort"]


class HookPort:
    """Implements the port of the same name; the service is never held up by a circuit breaker."""

    def __init__(self, world: World) -> None:
        self._world = world

    def held(self, target: HookTarget) -> Unanswered | None:
        """Return that nothing hinders a call."""
        assert target.name.endswith("/sentiment/service")
        return None

    async def call(self, target: HookTarget, request: HookRequest) -> Answer:
        """Send the request, or let something else become of it."""
        assert target.keys.keys
        if request.method == "GET":
            return self._effect("POLL-SERVICE operation", self._poll)
        fingerprint = hashlib.blake2b(f"{request.method} {request.url} ".encode() + request.body, digest_size=6)
        judge_key(self._world, request.key, fingerprint.hexdigest())
        held = held_of(request.body) if request.method == "PUT" else None
        slow = "/slow/" in urlsplit(request.url).path
        verb = "PUT-SERVICE" if held is not None else "DELETE-SERVICE"
        return self._effect(f"{verb} {request.key}", lambda: self._ask(request.key, held, slow=slow))

    def new_id(self) -> str:
        """Return the id of another record: none with which something was sent."""
        return f"r{len({key.partition('_')[0] for key, _ in self._world.hook.sent})}"

    def _effect(self, line: str, happen: "object") -> Answer:
        try:
            answer: Answer = self._world.effect(line, happen)  # type: ignore[arg-type]
        except Instead as instead:
            return instead.answer
        return answer

    def _ask(self, key: str, held: Held | None, *, slow: bool) -> Answer:
        world = self._world
        world.hook = world.hook.at(world.now)
        if held is None:
            judge_delete(world)
        else:
            judge_put(world, held)
        world.hook, answer = world.hook.asked(key, held, world.now, slow=slow)
        return answer

    def _poll(self) -> Answer:
        self._world.hook = self._world.hook.at(self._world.now)
        return self._world.hook.polled()
