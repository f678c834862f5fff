"""A customer's life as a diary: what happened in each chapter, and the state of everything at its end.

Unlike a trace (`builders.traces`) it has no order within a chapter, so it is the same whatever runs concurrently, and
whatever Talkdesk's clock shows. Ids are replaced by what they mean.
"""

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

from builders.conditions import condition, reason
from builders.stack import Customer, Stack
from builders.stack_scim import active
from talkdesk_sandbox.scim import ScimServer


class Diary:
    """A text in chapters about one account; each chapter is about the newest installation of it."""

    def __init__(self, stack: Stack, scim: ScimServer) -> None:
        self._stack = stack
        self._scim = scim
        self._deliveries = 0
        self._answers: dict[str, int] = {}
        self._homes: list[str] = []
        self.text = ""

    async def chapter(self, title: str, customer: Customer) -> None:
        """Write what has happened since the last chapter, and the state now."""
        lines = [
            ("events", ", ".join(self._events()) or "none"),
            ("told", ", ".join(self._reported(customer)) or "nothing"),
            ("Talkdesk", f"{customer.at_talkdesk.state.value}, {len(customer.at_talkdesk.users)} users"),
            ("installation", "; ".join(_installation(customer))),
            ("tenant", "; ".join(_tenant(customer))),
            ("in it", await self._contents(customer)),
            ("credentials", await _credentials(customer)),
            ("SCIM", f"{len(active(self._scim))} of {len(self._scim.users())} users active"),
        ]
        head = "" if not self.text else "\n"
        self.text += f"{head}== {title}\n" + "".join(f"{label:<12}  {text}\n" for label, text in lines)

    def _events(self) -> list[str]:
        """Return type and status of each delivery to the webhook since the last chapter."""
        log = self._stack.simulator.dispatcher.log
        new, self._deliveries = log[self._deliveries :], len(log)
        return [f"{each.event.type} {each.attempts[-1].status}" for each in new]

    def _reported(self, customer: Customer) -> list[str]:
        """Return the answers and other effects that the operator's requests had at Talkdesk since the last chapter."""
        records = self._stack.simulator.journal.records(installation_id=customer.installation_id)
        effects = [each.effect for each in records if each.effect not in {None, "token"}]
        before, self._answers[customer.installation_id] = (
            self._answers.get(customer.installation_id, 0),
            len(effects),
        )
        return [str(each) for each in effects[before:]]

    async def _contents(self, customer: Customer) -> str:
        """Return the tenant's settings, and whether its namespace is the same as before."""
        home, settings = await customer.live("Namespace"), await customer.live("ConfigMap", "settings")
        if home is None:
            return "nothing"
        uid = home["metadata"]["uid"]
        if uid not in self._homes:
            self._homes.append(uid)
        facts = settings["data"] if settings is not None else {}
        return f"namespace {self._homes.index(uid) + 1}; {', '.join(f'{k} {facts[k]}' for k in sorted(facts))}"


def _installation(customer: Customer) -> Iterator[str]:
    held = customer.installation
    status: dict[str, Any] = held["status"]
    yield f"{status['phase']} ({reason(held, 'Ready')}), Ready={condition(held, 'Ready')}"
    yield f"answered {held['spec']['request']['type']}"
    if "trial" in status:
        yield f"trial {status['trial']['state']}"
    if status.get("talkdeskState") is not None:
        yield f"seen as {status['talkdeskState']}"


def _tenant(customer: Customer) -> Iterator[str]:
    tenant = customer.tenant
    if tenant is None:
        yield "none"
        return
    yield tenant["spec"]["state"]
    yield ", ".join(sorted(item["kind"] for item in tenant["status"].get("inventory", [])))
    if "purgeAfter" in tenant["status"]:
        yield "kept for a while"


async def _credentials(customer: Customer) -> str:
    """Return which credential versions are kept, and which one the tenant has."""
    issued = [each.client_id for each in customer.at_talkdesk.credentials]
    stored = sorted(_number(issued, secret) for secret in await customer.secrets())
    theirs = await customer.live("Secret", "talkdesk")
    has = "the tenant has none" if theirs is None else f"the tenant has set {_number(issued, theirs)}"
    kept = f"kept: set {', '.join(map(str, stored))} of {len(issued)}" if stored else "none kept"
    return f"{kept}; {has}"


def _number(issued: list[str], secret: dict[str, Any]) -> int:
    return issued.index(b64decode(secret["data"]["client_id"]).decode()) + 1
