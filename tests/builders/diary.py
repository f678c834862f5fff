"""The life of a customer as a diary: for each chapter what was sent, and the state at its end.

Unlike a trace (`builders.traces`) it has no order within a chapter, so it does not depend on how much runs at once, nor
on Talkdesk's clock. No line has an id.
"""

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

from builders.conditions import condition, reason
from builders.stack import Customer, Stack
from builders.stack_scim import active
from talkdesk_sandbox.scim import ScimServer


class Diary:
    """A text in chapters about the installations of one account; each chapter is about the newest of them."""

    def __init__(self, stack: Stack, scim: ScimServer) -> None:
        self._stack = stack
        self._scim = scim
        self._deliveries = 0
        self._answers: dict[str, int] = {}
        self._namespace_uids: list[str] = []
        self.text = ""

    async def chapter(self, title: str, customer: Customer) -> None:
        """Write down what was sent since the last chapter, and the state now."""
        lines = [
            ("events", ", ".join(self._events()) or "none"),
            ("sent", ", ".join(self._sent(customer)) or "nothing"),
            ("Talkdesk", f"{customer.at_talkdesk.state.value}, {len(customer.at_talkdesk.users)} users"),
            ("installation", "; ".join(_installation(customer))),
            ("tenant", "; ".join(_tenant(customer))),
            ("contents", await self._contents(customer)),
            ("credentials", await _credentials(customer)),
            ("SCIM", f"{len(active(self._scim))} of {len(self._scim.users())} users active"),
        ]
        head = "" if not self.text else "\n"
        self.text += f"{head}== {title}\n" + "".join(f"{label:<12}  {text}\n" for label, text in lines)

    def _events(self) -> list[str]:
        """Return type and HTTP status of the events that Talkdesk sent since the last chapter."""
        log = self._stack.simulator.dispatcher.log
        new, self._deliveries = log[self._deliveries :], len(log)
        return [f"{each.event.type} {each.attempts[-1].status}" for each in new]

    def _sent(self, customer: Customer) -> list[str]:
        """Return what the operator sent to Talkdesk about the installation since the last chapter."""
        records = self._stack.simulator.journal.records(installation_id=customer.installation_id)
        effects = [each.effect for each in records if each.effect not in {None, "token"}]
        before, self._answers[customer.installation_id] = (
            self._answers.get(customer.installation_id, 0),
            len(effects),
        )
        return [str(each) for each in effects[before:]]

    async def _contents(self, customer: Customer) -> str:
        """Return the number of the tenant's namespace, which changes when it is made anew, and the settings in it."""
        namespace, settings = await customer.live("Namespace"), await customer.live("ConfigMap", "settings")
        if namespace is None:
            return "nothing"
        uid = namespace["metadata"]["uid"]
        if uid not in self._namespace_uids:
            self._namespace_uids.append(uid)
        facts = settings["data"] if settings is not None else {}
        settings_text = ", ".join(f"{key} {facts[key]}" for key in sorted(facts))
        return f"namespace {self._namespace_uids.index(uid) + 1}; {settings_text}"


def _installation(customer: Customer) -> Iterator[str]:
    obj = customer.installation
    status: dict[str, Any] = obj["status"]
    yield f"{status['phase']} ({reason(obj, 'Ready')}), Ready={condition(obj, 'Ready')}"
    yield f"answered {obj['spec']['request']['type']}"
    if "trial" in status:
        yield f"trial {status['trial']['state']}"
    if status.get("talkdeskState") is not None:
        yield f"Talkdesk reports {status['talkdeskState']}"


def _tenant(customer: Customer) -> Iterator[str]:
    tenant = customer.tenant
    if tenant is None:
        yield "none"
        return
    yield tenant["spec"]["state"]
    yield ", ".join(sorted(item["kind"] for item in tenant["status"].get("inventory", [])))
    if "purgeTime" in tenant["status"]:
        yield "retained"


async def _credentials(customer: Customer) -> str:
    """Return which credential versions are stored, and which one the tenant has."""
    issued = [each.client_id for each in customer.at_talkdesk.credentials]
    stored = sorted(_number(issued, secret) for secret in await customer.credential_secrets())
    theirs = await customer.live("Secret", "talkdesk")
    has = "the tenant has none" if theirs is None else f"the tenant has version {_number(issued, theirs)}"
    versions = f"stored: version {', '.join(map(str, stored))} of {len(issued)}" if stored else "none stored"
    return f"{versions}; {has}"


def _number(issued: list[str], secret: dict[str, Any]) -> int:
    return issued.index(b64decode(secret["data"]["client_id"]).decode()) + 1
