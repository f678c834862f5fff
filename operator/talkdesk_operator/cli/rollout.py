"""`talkdesk-operator rollout`: how far a change of a template is, and stopping, going on and going back.

It does what a person can do with kubectl: it reads the TalkdeskApp and its ControllerRevisions, and changes
`spec.templateRollout` in that person's name. Belongs here: what is read, written and said. Does not belong here:
arguments (`commands`), what follows from the change (the operator).

    RolloutRefused    it can't be done; `str()` says why
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import ConditionType, find
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_operator.adapters.kubernetes.revisions import KubernetesRevisions
from talkdesk_operator.domain.ports.revisions import Revision
from talkdesk_runtime.kube import MERGE_PATCH, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeNotFound, KubeRefused

__all__ = ["ACTIONS", "RolloutRefused", "carry_out", "run_on_cluster"]

_MANAGER: Final = {"fieldManager": "talkdesk-operator-rollout"}


class RolloutRefused(Exception):
    """It can't be done."""


@dataclass(frozen=True, slots=True)
class _Place:
    kube: Kube
    path: str
    app: TalkdeskApp
    revisions: Sequence[Revision]

    def numbered(self, name: str | None) -> str:
        """Return a revision with its number."""
        found = next((each.number for each in self.revisions if each.name == name), None)
        return f"{name} ({found})" if found is not None else str(name or "none")


def run_on_cluster(options: argparse.Namespace) -> tuple[str, int]:
    """Do what the options say, in the cluster of a kubeconfig; see `carry_out`. Raises RolloutRefused."""
    return asyncio.run(_on_cluster(options))


async def _on_cluster(options: argparse.Namespace) -> tuple[str, int]:
    try:
        kube = await Kube.connect(user_agent="talkdesk-operator", kubeconfig=options.kubeconfig)
    except KubeRefused as error:
        raise RolloutRefused(str(error)) from None
    async with kube:
        return await carry_out(kube, options.action, options.namespace, options.app, options.to_revision)


async def carry_out(kube: Kube, action: str, namespace: str, name: str, revision: str = "") -> tuple[str, int]:
    """Do one of ACTIONS; return what is to be said, and the exit status. Raises RolloutRefused.

    `revision` is the name or number of a revision, `latest` for the app's own template, or empty.
    """
    path = resource_path(GROUP, VERSION, TalkdeskApp.INFO.plural, namespace, name)
    try:
        app = TalkdeskApp.read(await kube.request("GET", path))
        found = await KubernetesRevisions(kube, wrote=lambda _kind, _verb: None).list(app)
        return await ACTIONS[action](_Place(kube, path, app, found), revision)
    except KubeNotFound:
        raise RolloutRefused(f"there is no TalkdeskApp {name} in the namespace {namespace}") from None
    except KubeError as error:
        raise RolloutRefused(str(error)) from None


async def _status(place: _Place, _: str) -> tuple[str, int]:
    status, rollout = place.app.status, place.app.spec.template_rollout
    condition = find(status.conditions, ConditionType.ROLLED_OUT)
    counts = status.tenants
    if condition is None or counts is None:
        return "the operator has not looked at it yet\n", 1
    moved = f"{counts.updated} of {counts.total} have it, {counts.failing} failing"
    lines = [
        f"to be had:  {place.numbered(status.updated_revision)}, policy {rollout.policy}",
        f"all had:    {place.numbered(status.current_revision)}",
        f"tenants:    {moved}, {counts.unavailable} not ready, {counts.held} held",
        f"RolledOut:  {condition.status}, {condition.reason}: {condition.message}",
    ]
    behind = condition.observed_generation != place.app.metadata.generation
    lines += ["(the operator has not seen the last edit yet)"] if behind else []
    return "".join(f"{line}\n" for line in lines), 0 if condition.status == "True" and not behind else 1


async def _history(place: _Place, _: str) -> tuple[str, int]:
    status = place.app.status
    marks = {status.current_revision: "all had", status.updated_revision: "to be had"}
    width = max((len(each.name) for each in place.revisions), default=0)
    return "".join(
        f"{each.number:>4}  {each.name:{width}}  {marks.get(each.name, '')}".rstrip() + "\n" for each in place.revisions
    ), 0


async def _pause(place: _Place, _: str) -> tuple[str, int]:
    return await _change(place, {"paused": True}), 0


async def _resume(place: _Place, revision: str) -> tuple[str, int]:
    if revision not in {"", "latest"}:
        raise RolloutRefused("only undo goes to another revision")
    follow = {"policy": "Automatic", "revision": None} if revision else {}
    said = await _change(place, {"paused": False, **follow})
    pinned = place.app.spec.template_rollout.revision
    hint = f"it stays pinned to {pinned}; --to-revision latest follows the template again\n"
    return said + (hint if pinned and not revision else ""), 0


async def _undo(place: _Place, revision: str) -> tuple[str, int]:
    if revision == "latest":
        return await _change(place, {"policy": "Automatic", "revision": None}), 0
    name = _named(place, revision) if revision else _before(place)
    return await _change(place, {"policy": "Pinned", "revision": name}), 0


def _named(place: _Place, revision: str) -> str:
    found = [each.name for each in place.revisions if revision in {each.name, str(each.number)}]
    if not found:
        raise RolloutRefused(f"there is no revision {revision}: see `talkdesk-operator rollout history`")
    return found[-1]


def _before(place: _Place) -> str:
    """Return the revision that all tenants had before the rollout, or before the last one if that is complete."""
    status = place.app.status
    kept = [each.name for each in place.revisions]
    if status.current_revision != status.updated_revision and status.current_revision in kept:
        return str(status.current_revision)
    earlier = kept[: kept.index(str(status.updated_revision))] if status.updated_revision in kept else []
    if not earlier:
        raise RolloutRefused("there is no earlier revision")
    return earlier[-1]


async def _change(place: _Place, changes: Mapping[str, Any]) -> str:
    body = {"spec": {"templateRollout": changes}}
    await place.kube.request("PATCH", place.path, body=body, content_type=MERGE_PATCH, query=_MANAGER)
    shown = {"spec": {"templateRollout": {name: value for name, value in changes.items() if value is not None}}}
    text = yaml.safe_dump(shown, sort_keys=False)
    return f"changed; where the app is kept in Git, change it there, too:\n{text}"


ACTIONS: Final = {"status": _status, "history": _history, "pause": _pause, "resume": _resume, "undo": _undo}
"""What can be done, by its name."""
