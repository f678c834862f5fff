"""The means by which a life is played: letting things happen, waiting for what follows, looking at it, showing it.

Belongs here: kubectl, as a person would call it. Does not belong here: what is played (`life`, `later_life`).
"""

import json
from typing import Any, Final

from talkdesk_crds.names import installation_name
from talkdesk_sandbox.demo.screen import Screen
from talkdesk_sandbox.demo.stage import Stage
from talkdesk_sandbox.demo.talkdesk import Happening

__all__ = ["Scene"]

_WITHIN: Final = 60.0  # seconds; one or two on an idle machine


class Scene:
    """What has happened so far is in the cluster; here are only the means."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage = stage
        self._screen = screen

    def _settle(self, happening: Happening, phase: str) -> None:
        """Wait until the operator and Talkdesk agree on what has become of an event."""
        self._becomes(happening, phase)
        self._tell_answer(happening)

    def _becomes(self, happening: Happening, phase: str) -> None:
        """Wait until the installation is in that phase and at rest."""
        self._until(happening, "{.status.phase}", phase)
        self._until(happening, "{.status.observedGeneration}", str(self._generation(happening)))
        self._wait(happening, "condition=Reconciling=False", "settle")

    def _until(self, happening: Happening, path: str, value: str) -> None:
        """Wait until a field of the installation has that value."""
        self._wait(happening, f"jsonpath={path}={value}", f"have {value} in {path}")

    def _tell_answer(self, happening: Happening) -> None:
        seconds = self._stage.talkdesk.seconds_to_approval(happening)
        state = self._stage.talkdesk.state_of(happening.installation_id)
        self._screen.fact("approved", f"{seconds:.2f} s after {happening.event.type}; Talkdesk says: {state}")

    def _does(self, *arguments: str) -> None:
        """Do something as a person would, and show the command."""
        command = (*arguments, *self._namespace)
        self._screen.output(("kubectl", *command), self._stage.cluster.kubectl(*command))

    def _patch_app(self, **spec: Any) -> None:
        """Change the app as a person would, and wait until the operator has read it."""
        name = f"talkdeskapp/{self._stage.app.name}"
        self._does("patch", name, "--type=merge", f"--patch={json.dumps({'spec': spec}, separators=(',', ':'))}")
        generation = self._get(name, *self._namespace)["metadata"]["generation"]
        self._stage.waiting.until(
            f"the operator did not read {name} anew",
            (f"--for=jsonpath={{.status.observedGeneration}}={generation}", name, *self._namespace),
            of="operator",
            within=_WITHIN,
        )

    def _show(self, *options: str) -> None:
        command = ("get", "talkdeskinstallations,talkdesktenants", *self._namespace, *options)
        self._screen.output(("kubectl", *command), self._stage.cluster.kubectl(*command))

    @property
    def _namespace(self) -> tuple[str]:
        return (f"--namespace={self._stage.app.namespace}",)

    def _name(self, happening: Happening) -> str:
        return f"talkdeskinstallation/{installation_name(self._stage.app.name, happening.installation_id)}"

    def _installation(self, happening: Happening) -> dict[str, Any]:
        return self._get(self._name(happening), *self._namespace)

    def _generation(self, happening: Happening) -> int:
        generation: int = self._installation(happening)["metadata"]["generation"]
        return generation

    def _tenant(self) -> dict[str, Any]:
        tenants: list[dict[str, Any]] = self._get("talkdesktenants", *self._namespace)["items"]
        (tenant,) = tenants
        return tenant

    def _get(self, *arguments: str) -> dict[str, Any]:
        got: dict[str, Any] = json.loads(self._stage.cluster.kubectl("get", "--output=json", *arguments))
        return got

    def _wait(self, happening: Happening, condition: str, what: str) -> None:
        name = self._name(happening)
        arguments = (f"--for={condition}", name, *self._namespace)
        self._stage.waiting.until(f"{name} did not {what}", arguments, of="operator", within=_WITHIN)
