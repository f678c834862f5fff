"""A client of the simulator's control API for a program without an event loop, with what the demonstration needs.

Belongs here: commands to the simulator and reading its journal. Does not belong here: starting it (`programs`).
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.simulator import Client, ControlError
from talkdesk_sandbox.simulator.commands.models import SubscriptionSpec
from talkdesk_sandbox.simulator.views.models import EventRef, Outcome, SignedEventView

__all__ = ["SentEvent", "SyncClient"]

_T = TypeVar("_T")
_DELIVERED_WITHIN: Final = 15.0  # seconds


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event that a command has created, and its installation."""

    installation_id: str
    event: EventRef


class SyncClient:
    """The simulator's control API in plain calls. They raise DemoFailed."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._client = Client(url)

    def __enter__(self) -> Self:
        """Do nothing: connections are made when they are needed."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close connections."""
        with self._runner as runner:
            runner.run(self._client.close())

    def send_events_to(self, app_id: str, url: str) -> None:
        """Register the app with its callback."""
        self._run(self._client.app(app_id, callback=url))

    def install(self, account: str, app_id: str, *, on_trial: bool = False) -> SentEvent:
        """Let a customer install the app; return when the webhook has accepted the event."""
        company = f"{account.title()} Corporation"
        subscription = SubscriptionSpec(name="Trial", type="trial") if on_trial else SubscriptionSpec()
        return self._send(
            self._client.install(account=account, app_id=app_id, company_name=company, subscription=subscription)
        )

    def update(self, account: str, **change: Any) -> SentEvent:
        """Let the customer change plan or users: fields of `commands.Update`."""
        return self._send(self._client.update(account=account, **change))

    def end_trial(self, account: str) -> SentEvent:
        """Let the customer's trial run out."""
        return self._send(self._client.trial(account=account, action="end"))

    def rotate(self, account: str) -> SentEvent:
        """Let Talkdesk rotate the customer's credentials."""
        return self._send(self._client.rotate(account=account))

    def uninstall(self, account: str) -> SentEvent:
        """Let the customer uninstall it."""
        return self._send(self._client.uninstall(account=account, reason="We moved to another product."))

    def reinstall(self, account: str) -> SentEvent:
        """Let the customer install it again."""
        return self._send(self._client.reinstall(account=account))

    def sign(self, event: EventRef) -> SignedEventView:
        """Return an event as it was sent."""
        return self._run(self._client.sign(event.id))

    def seconds_to_approval(self, sent: SentEvent) -> float:
        """Return the seconds from the event's creation to the operator's answer."""
        answers = self._run(self._client.requests(installation=sent.installation_id, effect="approve"))
        times = [answer.at for answer in answers if answer.at >= sent.event.created_at]
        if len(times) != 1:
            raise DemoFailed(f"the operator approved {sent.event.type} {len(times)} times, not once", "operator")
        return (times[0] - sent.event.created_at).total_seconds()

    def licensed_users(self, installation_id: str) -> int:
        """Return how many users have a license."""
        return len(self._run(self._client.installation(installation_id)).users)

    def state_of(self, installation_id: str) -> str:
        """Return the installation's state as Talkdesk has it."""
        return self._run(self._client.installation(installation_id)).state

    def _send(self, command: Coroutine[Any, Any, Outcome]) -> SentEvent:
        outcome = self._run(command)
        event = outcome.events[0]  # an uninstall also ends a trial
        self._run(asyncio.wait_for(self._client.drain(), _DELIVERED_WITHIN))
        for delivery in self._run(self._client.deliveries(event=event.id)):
            if delivery.state != "delivered":
                last = delivery.attempts[-1]
                what = last.error or f"it answered {last.status}"
                raise DemoFailed(f"the webhook did not accept {event.type}: {what}", "webhook")
        return SentEvent(outcome.installation_id, event)

    def _run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        try:
            return self._runner.run(coroutine)
        except ControlError as error:
            raise DemoFailed(f"the simulator: {error}", "simulator") from None
        except TimeoutError:
            raise DemoFailed(f"the webhook accepted no event within {_DELIVERED_WITHIN:.0f} s", "webhook") from None
