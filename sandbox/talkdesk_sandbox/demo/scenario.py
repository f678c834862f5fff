"""What all scenarios need: waiting for the effects of an event, reading objects, running kubectl, printing.

Belongs here: kubectl, as a person would call it. Does not belong here: what happens (`install_scenario`,
`change_scenario`).
"""

import json
from typing import Any, Final

from talkdesk_crds.names import installation_name
from talkdesk_sandbox.demo.stage import Stage
from talkdesk_sandbox.demo.sync_client import SentEvent
from talkdesk_sandbox.demo.terminal import Terminal

__all__ = ["Scenario"]

_WITHIN: Final = 60.0  # seconds; one or two on an idle machine


class Scenario:
    """The base of all scenarios of one account; it has no state of its own because that is in the cluster."""

    def __init__(self, environment: Stage, terminal: Terminal, account: str) -> None:
        self._environment = environment
        self._account = account
        self._terminal = terminal

    def _wait_until_approved(self, sent: SentEvent, phase: str) -> None:
        """Wait until the operator has finished with an event, and check that Talkdesk was sent one approval."""
        self._wait_for_phase(sent, phase)
        self._print_approval(sent)

    def _wait_for_phase(self, sent: SentEvent, phase: str) -> None:
        """Wait until the installation is in that phase and the operator has nothing more to do."""
        self._wait_for_field(sent, "{.status.phase}", phase)
        self._wait_for_field(sent, "{.status.observedGeneration}", str(self._generation(sent)))
        self._wait_for(sent, "condition=Reconciling=False", "finish reconciling")

    def _wait_for_field(self, sent: SentEvent, path: str, value: str) -> None:
        """Wait until a field of the installation has that value."""
        self._wait_for(sent, f"jsonpath={path}={value}", f"have {value} in {path}")

    def _print_approval(self, sent: SentEvent) -> None:
        seconds = self._environment.simulator.seconds_to_approval(sent)
        state = self._environment.simulator.state_of(sent.installation_id)
        self._terminal.fact("approved", f"{seconds:.2f} s after {sent.event.type}; Talkdesk's state: {state}")

    def _run_kubectl(self, *arguments: str) -> None:
        """Run kubectl as a person would, and print the command and its output."""
        command = (*arguments, *self._namespace)
        self._terminal.output(("kubectl", *command), self._environment.cluster.kubectl(*command))

    def _patch_app(self, **spec: Any) -> None:
        """Change the app as a person would, and wait until the operator has read it."""
        name = f"talkdeskapp/{self._environment.app.name}"
        self._run_kubectl("patch", name, "--type=merge", f"--patch={json.dumps({'spec': spec}, separators=(',', ':'))}")
        generation = self._get(name, *self._namespace)["metadata"]["generation"]
        self._environment.waiter.until(
            f"the operator did not read the change of {name}",
            (f"--for=jsonpath={{.status.observedGeneration}}={generation}", name, *self._namespace),
            of="operator",
            within=_WITHIN,
        )

    def _print_objects(self, *options: str) -> None:
        command = ("get", "talkdeskinstallations,talkdesktenants", *self._namespace, *options)
        self._terminal.output(("kubectl", *command), self._environment.cluster.kubectl(*command))

    @property
    def _namespace(self) -> tuple[str]:
        return (f"--namespace={self._environment.app.namespace}",)

    def _name(self, sent: SentEvent) -> str:
        return f"talkdeskinstallation/{installation_name(self._environment.app.name, sent.installation_id)}"

    def _installation(self, sent: SentEvent) -> dict[str, Any]:
        return self._get(self._name(sent), *self._namespace)

    def _generation(self, sent: SentEvent) -> int:
        generation: int = self._installation(sent)["metadata"]["generation"]
        return generation

    def _tenant(self) -> dict[str, Any]:
        tenants: list[dict[str, Any]] = self._get("talkdesktenants", *self._namespace)["items"]
        (tenant,) = tenants
        return tenant

    def _get(self, *arguments: str) -> dict[str, Any]:
        got: dict[str, Any] = json.loads(self._environment.cluster.kubectl("get", "--output=json", *arguments))
        return got

    def _wait_for(self, sent: SentEvent, condition: str, what: str) -> None:
        name = self._name(sent)
        arguments = (f"--for={condition}", name, *self._namespace)
        self._environment.waiter.until(f"{name} did not {what}", arguments, of="operator", within=_WITHIN)
