"""Where a program's CPU time went: by what it was spent for, by package, by function.

Belongs here: adding up. Does not belong here: running the program (`profiled`).
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.measuring import wait_until

__all__ = ["report"]

_SHOWN: Final = 40
_OURS: Final = ("talkdesk_operator", "talkdesk_webhook", "talkdesk_runtime", "talkdesk_crds")

_PURPOSES: Final = (
    ("rendering", "templates/render.py:render"),
    ("readiness", "templates/readiness.py"),
    ("applying a tenant's objects", "KubernetesCluster.apply"),
    ("looking what is in the way", "KubernetesCluster.find"),
    ("writing our own kinds and Events", "adapters/kubernetes/cluster.py"),
    ("calling Talkdesk", "adapters/talkdesk/"),
    ("keys and tokens", "joserfc/"),
    ("taking watch events into the store", "talkdesk_operator/informer/handlers.py"),
    ("kopf", "/kopf/"),
    ("deciding", "talkdesk_operator/domain/"),
    ("reconcilers", "talkdesk_operator/reconcilers/"),
    ("queue", "talkdesk_operator/workqueue/"),
    ("probes and metrics", "prometheus_client/"),
    ("storing the event", "talkdesk_webhook/inbox.py"),
    ("reading the event", "talkdesk_crds/events.py"),
    ("verifying the signature", "talkdesk_webhook/signature.py"),
    ("receiving", "talkdesk_webhook/"),
    ("HTTP server", "/uvicorn/"),
    ("HTTP client: reading answers", "/aiohttp/"),
    ("event loop", "/asyncio/"),
)
"""A sample counts for the first of these that is anywhere in its stack."""


def report(program: str, profile: Path, units: int) -> str:
    """Wait for the profile, and lay out its CPU time, in ms per unit."""
    wait_until(profile.exists, f"profile of the {program}", 30)
    read = json.loads(profile.read_text())
    purposes: Counter[str] = Counter()
    packages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for entry in read["stacks"]:
        stack, samples = entry["stack"], entry["samples"]
        purposes[_purpose(stack)] += samples
        packages[_package(stack[0])] += samples
        functions[_words(stack[0])] += samples
        for place in {place for place in stack if any(f"/{mark}/" in place for mark in (*_OURS, "kopf"))}:
            inclusive[_words(place)] += samples
    total = sum(purposes.values())
    each = read["cpu"] * 1000 / units / max(total, 1)
    lines = [f"\n{program}: {read['cpu'] * 1000 / units:.2f} ms of CPU per install, from {total} samples"]
    for title, counts in (
        ("for what", purposes),
        ("own time by package", packages),
        ("own time by function", functions),
        ("our functions and kopf's, with all that they call", inclusive),
    ):
        lines.append(f"    ms      %  {title}")
        lines += [
            f"  {number * each:5.2f}  {number / total:5.1%}  {name}" for name, number in counts.most_common(_SHOWN)
        ]
    return "\n".join(lines) + "\n"


def _purpose(stack: Sequence[str]) -> str:
    whole = "\n".join(stack)
    return next((name for name, mark in _PURPOSES if mark in whole), "the rest")


def _words(place: str) -> str:
    return f"{_package(place)}: {place.rpartition('/')[2]}"


def _package(place: str) -> str:
    parts = Path(place.rpartition(":")[0]).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    for ours in _OURS:
        if ours in parts:
            return "/".join(parts[parts.index(ours) :][:2]).removesuffix(".py")
    return f"python: {'asyncio' if 'asyncio' in parts else parts[-1] if parts else place}"
