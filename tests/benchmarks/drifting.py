"""How soon what somebody changed by hand is put right, while the operator has nothing else to do.

Each tenant's quota is changed once, one after the other; the clock runs from the answer to the change until the quota
is seen to be as the template says.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.figures import Figure, plain
from benchmarks.measuring import cpu_seconds
from benchmarks.sending import BenchFailed, percentile
from benchmarks.stage import WORK, Stage
from talkdesk_runtime.kube import MERGE_PATCH, Kube, resource_path

__all__ = ["drift"]

_QUOTA: Final = "tenant"
_WRONG: Final = "1"
_LOOK: Final = 0.01
"""Seconds between two looks, which is as fine as it gets."""
_WITHIN: Final = 60.0


def drift(stage: Stage, count: int) -> list[Figure]:
    """Change so many tenants' quotas. Raises BenchFailed when one is not put right."""
    tenants = stage.get("talkdesktenants", f"--namespace={WORK}")["items"][:count]
    operator = stage.pids["operator"]
    before = cpu_seconds(operator)
    seconds = asyncio.run(_put_right(stage, [each["spec"]["name"] for each in tenants]))
    used = cpu_seconds(operator) - before
    note = f"{len(seconds)} changes"
    return [
        plain("drift: put right, p50", percentile(seconds, 0.5) * 1000, "ms", note=note),
        plain("drift: put right, p99", percentile(seconds, 0.99) * 1000, "ms"),
        plain("drift: operator CPU per change", used / len(seconds) * 1000, "ms"),
    ]


async def _put_right(stage: Stage, namespaces: Sequence[str]) -> list[float]:
    async with await Kube.connect(user_agent="bench-drift", kubeconfig=stage.cluster.kubeconfig) as kube:
        return [await _one(kube, resource_path("", "v1", "resourcequotas", each, _QUOTA)) for each in namespaces]


async def _one(kube: Kube, path: str) -> float:
    change: dict[str, Any] = {"spec": {"hard": {"pods": _WRONG}}}
    await kube.request("PATCH", path, body=change, content_type=MERGE_PATCH, query={"fieldManager": "bench"})
    began = time.monotonic()
    while (await kube.request("GET", path))["spec"]["hard"]["pods"] == _WRONG:
        if time.monotonic() - began > _WITHIN:
            raise BenchFailed(f"{path} was not put right within {_WITHIN:.0f} s")
        await asyncio.sleep(_LOOK)
    return time.monotonic() - began
