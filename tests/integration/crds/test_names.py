"""Names that the API server takes and refuses: they become values of labels, and one installation is one object."""

from typing import Any

import pytest

from builders.kinds import KindsApi
from builders.objects import app_object, installation_object, tenant_object
from talkdesk_crds.names import installation_name

IDS = [
    "5c1f0a9b",
    "5C1F0A9B",
    "0d3f9a52-6a35-4a2c-9d9c-5a5d4c3b2a10",
    "0D3F9A52-6A35-4A2C-9D9C-5A5D4C3B2A10",
    "x" * 53,
    "x" * 54,
    "x" * 128,
    "a-b",
    "-",
    "--a",
    "a b",
    "a.b",
    "../..",
    "🎧",
    "ünïcödé",
    "K",
    "${x}",
]


@pytest.mark.case(59)
@pytest.mark.parametrize("installation_id", IDS)
@pytest.mark.parametrize("app", ["sentiment", "a.b", "a" * 63], ids=["plain", "dotted", "long"])
async def test_an_installation_has_the_name_that_events_give_it_and_no_other(
    api: KindsApi, app: str, installation_id: str
) -> None:
    own = installation_name(app, installation_id)
    for name in ("imported", f"{app[:40]}-imported", f"{own[:-1]}-", f"{own}x", f"x{own}"[:63], "x-0123456789"):
        raw = installation_object(name.strip("-") + "g", appRef={"name": app}, installationId=installation_id)
        assert "metadata.name must be" in str(await api.not_created(raw))
    await api.create(installation_object(own, appRef={"name": app}, installationId=installation_id))


@pytest.mark.parametrize("make", [app_object, tenant_object], ids=["app", "tenant"])
async def test_a_name_that_is_no_value_of_a_label_is_refused(api: KindsApi, make: Any) -> None:
    assert "at most 63 characters" in str(await api.not_created(make("x" * 64)))
    await api.create(make("x" * 63))
