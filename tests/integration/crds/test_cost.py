"""How much of the API server's budget for CEL the rules of our kinds take.

The API server says what a rule could cost only when it refuses it. So each kind's rules are put under a list, where
their cost is multiplied by the length that the list may have: the greatest length that is taken is how often the rules
fit into the budget. Both limits count, that of one rule and that of the whole kind.
"""

import copy
import sys
from typing import Any, Final

import pytest

from builders.kinds import KindsApi
from talkdesk_crds import KINDS
from talkdesk_crds.crdgen import crd
from talkdesk_crds.kind import CustomResource
from talkdesk_runtime.kube_errors import KubeInvalid

CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KEY: Final = "costKey"
FITS_AT_LEAST: Final = 5
"""Far under the budget: other versions of Kubernetes may estimate costs differently."""
MOST: Final = 1 << 20


def multiplied(kind: type[CustomResource], times: int) -> dict[str, Any]:
    """Return a CRD of a made-up group in which the kind's spec and status stand under a list of that length."""
    made = copy.deepcopy(crd(kind))
    group = "cost.example.com"
    made["metadata"]["name"] = f"{kind.INFO.plural}.{group}"
    made["spec"]["group"] = group
    (version,) = made["spec"]["versions"]
    version.pop("selectableFields", None)
    version.pop("additionalPrinterColumns")
    root = version["schema"]["openAPIV3Schema"]
    parts = {name: root["properties"].pop(name) for name in ("spec", "status")}
    item: dict[str, Any] = {"type": "object", "properties": parts | {KEY: {"type": "string", "maxLength": 8}}}
    item["required"] = [KEY, "spec", "metadata"]
    # The name of the object is only known at the root: the rules on it find one in the item.
    item["properties"]["metadata"] = {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
    }
    item["x-kubernetes-validations"] = root.pop("x-kubernetes-validations", [])
    root["required"] = []
    # Rules on changes are only allowed where an item of the new list has one of the old list to be compared with.
    listed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [KEY]}
    root["properties"]["specs"] = {"type": "array", "maxItems": times, "items": item} | listed
    return made


async def fits(api: KindsApi, kind: type[CustomResource], times: int) -> bool:
    try:
        await api.dry_run(CRDS, multiplied(kind, times))
    except KubeInvalid as error:
        if "exceeds budget" not in str(error):
            raise
        return False
    return True


async def headroom(api: KindsApi, kind: type[CustomResource]) -> int:
    """Return how often the kind's rules fit into the budget."""
    if not await fits(api, kind, 1):
        return 0
    low = 1
    while low < MOST and await fits(api, kind, low * 2):
        low *= 2
    step = low // 2
    while step:
        if await fits(api, kind, low + step):
            low += step
        step //= 2
    return low


@pytest.mark.parametrize("kind", KINDS)
async def test_the_rules_of_a_kind_cost_far_less_than_the_api_server_allows(
    api: KindsApi, kind: type[CustomResource], capsys: pytest.CaptureFixture[str]
) -> None:
    found = await headroom(api, kind)
    assert found >= FITS_AT_LEAST
    with capsys.disabled():
        sys.stdout.write(f"\n{kind.INFO.kind}: {100 / found:.2g} % of the budget for CEL\n")
