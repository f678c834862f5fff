"""Which hosts an app may talk to, by its region or its endpoints."""

import pytest

from talkdesk_crds.allowed_hosts import allowed_hosts
from talkdesk_crds.app import AppEndpoints, AppSpec
from talkdesk_crds.hosts import ForeignHostError, HostAllowList, Region

ENDPOINTS = AppEndpoints(api="http://127.0.0.1:1/api", token="http://127.0.0.1:1/token", allow_insecure=True)

SPEC = AppSpec.model_validate(
    {
        "appId": "app-1",
        "region": "US",
        "tenant": {"serviceAccountName": "maker", "steps": [{"name": "base", "manifests": [{"kind": "ConfigMap"}]}]},
    }
)


def spec(region: Region | None = None, endpoints: AppEndpoints | None = None) -> AppSpec:
    """Return a spec with nothing but these two fields; its own rules, which want one of the two, are not applied."""
    return SPEC.model_copy(update={"region": region, "endpoints": endpoints})


def test_a_region_allows_its_hosts() -> None:
    assert allowed_hosts(spec(Region.EU), allow_insecure=False) == HostAllowList.for_region(Region.EU)


def test_endpoints_take_precedence_over_a_region() -> None:
    expected = HostAllowList.for_endpoints(ENDPOINTS.api, ENDPOINTS.token, allow_insecure=True)
    assert allowed_hosts(spec(Region.EU, ENDPOINTS), allow_insecure=True) == expected


@pytest.mark.parametrize(("app", "process"), [(False, False), (False, True), (True, False)])
def test_plain_http_must_be_allowed_by_the_app_and_by_whoever_runs_the_process(*, app: bool, process: bool) -> None:
    endpoints = ENDPOINTS.model_copy(update={"allow_insecure": app})
    with pytest.raises(ForeignHostError, match=r"allowInsecure, and --allow-insecure"):
        allowed_hosts(spec(endpoints=endpoints), allow_insecure=process)


def test_an_app_without_region_and_endpoints_has_no_hosts() -> None:
    with pytest.raises(ForeignHostError, match="neither"):
        allowed_hosts(spec(), allow_insecure=False)
