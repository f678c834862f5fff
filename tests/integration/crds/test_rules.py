"""What a real API server takes of our kinds, what it refuses, and in which words."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from builders.kinds import MERGE_PATCH, KindsApi, put
from builders.objects import app_object, installation_object, request_object, tenant_object
from talkdesk_crds.fields import to_wire_time
from talkdesk_runtime.kube_errors import KubeInvalid
from talkdesk_sandbox.controlplane import Cluster, KubectlFailed

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND: Any = {"name": "sentiment-i2", "installationId": "i2"}
LATER, EARLIER = NOON + timedelta(seconds=1), NOON - timedelta(seconds=1)


def version(raw: dict[str, Any]) -> str:
    found: str = raw["metadata"]["resourceVersion"]
    return found


def trial(at: datetime, **more: Any) -> dict[str, Any]:
    return {"state": "Started", "eventId": "t1", "eventTime": to_wire_time(at)} | more


def keys(at: datetime, name: str = "keys-1", **more: Any) -> dict[str, Any]:
    return {"secretName": name, "eventId": "event-1", "eventTime": to_wire_time(at)} | more


@pytest.mark.case(1, 12)
@pytest.mark.parametrize("member", ["request", "trial", "credentials"])
async def test_a_duplicate_changes_nothing(api: KindsApi, member: str) -> None:
    raw = installation_object(trial=trial(NOON))
    made = await api.create(raw)
    again = await api.patch(raw, put(member, raw["spec"][member]))
    assert version(again) == version(made)


@pytest.mark.case(3, 15)
@pytest.mark.parametrize(
    ("member", "older", "word"),
    [
        ("request", request_object(at=EARLIER, event="event-0"), "eventTime"),
        ("request", request_object("Uninstall", at=EARLIER, event="event-0"), "eventTime"),
        ("trial", trial(EARLIER), "eventTime"),
        ("credentials", keys(EARLIER, "keys-0"), "eventTime"),
    ],
)
async def test_an_older_register_is_refused_in_words_and_by_its_field(
    api: KindsApi, member: str, older: dict[str, Any], word: str
) -> None:
    raw = installation_object(trial=trial(NOON))
    await api.create(raw)
    error = await api.refused(raw, put(member, older))
    assert error.fields == (f"spec.{member}",)
    assert f"can't replace a newer one: {word} must be later than the one stored" in str(error)


@pytest.mark.case(2)
@pytest.mark.parametrize("change", [{"eventId": "event-1b"}, {"appVersion": "2"}, {"reason": "other words"}])
async def test_another_body_for_the_same_instant_is_refused(api: KindsApi, change: dict[str, Any]) -> None:
    raw = installation_object(request=request_object(reason="first words"))
    await api.create(raw)
    error = await api.refused(raw, put("request", raw["spec"]["request"] | change))
    assert error.fields == ("spec.request",)


@pytest.mark.case(2)
@pytest.mark.parametrize(
    "change", [{"appVersion": "2"}, {"changes": "3 users added"}, {"reason": "words"}, {"type": "Uninstall"}]
)
async def test_another_body_is_refused_also_where_no_words_were_given(api: KindsApi, change: dict[str, Any]) -> None:
    raw = installation_object(request=request_object("Update", changes="2 users added"))
    await api.create(raw)
    error = await api.refused(raw, put("request", raw["spec"]["request"] | change))
    assert error.fields == ("spec.request", *(("spec.request.type",) if "type" in change else ()))


OF_INSTALL, OF_ROTATION = {"origin": "Install"}, {"origin": "Rotation"}


@pytest.mark.case(20)
@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        (OF_ROTATION | {"eventId": "a"}, OF_INSTALL | {"eventId": "b"}),
        (OF_ROTATION | {"eventId": "a"}, {"eventId": "b"}),  # by hand, or before there was an origin
        (OF_ROTATION | {"eventId": "b"}, OF_ROTATION | {"eventId": "a"}),
        (OF_INSTALL | {"eventId": "b"}, OF_INSTALL | {"eventId": "a"}),
        ({"eventId": "b"}, OF_INSTALL | {"eventId": "a"}),
        (OF_INSTALL | {"eventId": "b"}, {"eventId": "a"}),
    ],
    ids=str,
)
async def test_of_two_sets_at_one_instant_the_same_one_stays_in_either_order(
    api: KindsApi, winner: dict[str, Any], loser: dict[str, Any]
) -> None:
    best, other = keys(NOON, "keys-w", **winner), keys(NOON, "keys-l", **loser)
    behind, before = installation_object(credentials=other), installation_object(**SECOND, credentials=best)
    await api.create(behind)
    assert (await api.patch(behind, put("credentials", best)))["spec"]["credentials"] == best
    await api.create(before)
    assert (await api.refused(before, put("credentials", other))).fields == ("spec.credentials",)


@pytest.mark.case(2)
@pytest.mark.parametrize("origin", [{}, OF_INSTALL, OF_ROTATION])
@pytest.mark.parametrize("claimed", [{}, OF_INSTALL, OF_ROTATION])
async def test_the_same_event_never_brings_another_set(
    api: KindsApi, origin: dict[str, Any], claimed: dict[str, Any]
) -> None:
    raw = installation_object(credentials=keys(NOON, **origin))
    await api.create(raw)
    error = await api.refused(raw, put("credentials", keys(NOON, "keys-2", **claimed)))
    assert error.fields == ("spec.credentials",)


@pytest.mark.case(19)
@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        ({"state": "Extended", "eventId": "a"}, {"state": "Started", "eventId": "b"}),
        ({"state": "Ended", "eventId": "a"}, {"state": "Started", "eventId": "b"}),
        ({"state": "Ended", "eventId": "a"}, {"state": "Extended", "eventId": "b"}),
        ({"state": "Extended", "eventId": "b"}, {"state": "Extended", "eventId": "a"}),
    ],
    ids=str,
)
async def test_of_two_news_of_a_trial_at_one_instant_the_same_one_stays_in_either_order(
    api: KindsApi, winner: dict[str, Any], loser: dict[str, Any]
) -> None:
    best, other = trial(NOON, **winner), trial(NOON, **loser)
    behind, before = installation_object(trial=other), installation_object(**SECOND, trial=best)
    await api.create(behind)
    assert (await api.patch(behind, put("trial", best)))["spec"]["trial"] == best
    await api.create(before)
    assert (await api.refused(before, put("trial", other))).fields == ("spec.trial",)


@pytest.mark.case(2)
@pytest.mark.parametrize("change", [{"state": "Ended"}, {"expirationTime": to_wire_time(LATER)}])
async def test_the_same_event_never_brings_other_news_of_a_trial(api: KindsApi, change: dict[str, Any]) -> None:
    raw = installation_object(trial=trial(NOON))
    await api.create(raw)
    assert (await api.refused(raw, put("trial", trial(NOON) | change))).fields == ("spec.trial",)


@pytest.mark.case(15)
@pytest.mark.parametrize(
    ("stored", "coming", "taken"),
    [
        ("Install", "Update", True),
        ("Install", "Uninstall", True),
        ("Update", "Uninstall", True),
        ("Uninstall", "Update", False),
        ("Uninstall", "Install", False),
        ("Update", "Install", False),
    ],
)
async def test_at_the_same_instant_an_uninstall_wins_over_an_update_over_an_install(
    api: KindsApi, stored: str, coming: str, *, taken: bool
) -> None:
    raw = installation_object(request=request_object(stored))
    made = await api.create(raw)
    change = put("request", request_object(coming, event="event-2"))
    if taken:
        assert version(await api.patch(raw, change)) != version(made)
    else:
        assert (await api.refused(raw, change)).fields == ("spec.request",)


@pytest.mark.case(36)
@pytest.mark.parametrize(
    ("member", "newer"), [("request", request_object(at=LATER)), ("trial", trial(LATER)), ("credentials", keys(LATER))]
)
async def test_a_newer_register_replaces_the_one_before(api: KindsApi, member: str, newer: dict[str, Any]) -> None:
    raw = installation_object(trial=trial(NOON))
    await api.create(raw)
    assert (await api.patch(raw, put(member, newer)))["spec"][member] == newer


async def test_times_are_compared_as_moments_and_not_as_texts(api: KindsApi) -> None:
    raw = installation_object(request=request_object() | {"eventTime": "2026-03-01T12:00:00.9Z"})
    await api.create(raw)
    same_hour_elsewhere = request_object(event="event-0") | {"eventTime": "2026-03-01T13:00:00+02:00"}
    assert (await api.refused(raw, put("request", same_hour_elsewhere))).fields == ("spec.request",)
    await api.patch(raw, put("request", request_object(event="event-2") | {"eventTime": "2026-03-01T11:00:01-01:00"}))


@pytest.mark.case(40)
async def test_the_customers_words_can_be_erased_and_nothing_else_with_them(api: KindsApi) -> None:
    raw = installation_object(request=request_object("Uninstall", reason="personal"))
    made = await api.create(raw)
    bare = request_object("Uninstall")
    for change in ({"type": "Update"}, {"eventId": "event-2"}, {"eventTime": to_wire_time(EARLIER)}):
        await api.refused(raw, put("request", bare | change))
    erased = await api.patch(raw, [{"op": "remove", "path": "/spec/request/reason"}])
    assert version(erased) != version(made)
    assert erased["spec"]["request"] == bare
    await api.refused(raw, put("request", bare | {"reason": "personal"}))


@pytest.mark.case(46)
@pytest.mark.parametrize(
    ("raw", "member", "value", "words"),
    [
        (installation_object(), "appRef", {"name": "other"}, "the app of an installation can't be changed"),
        (installation_object(), "installationId", "i2", "the installation's id can't be changed"),
        (installation_object(), "accountId", "acc-2", "the account's id can't be changed"),
        (tenant_object(), "appRef", {"name": "other"}, "the app of a tenant can't be changed"),
        (tenant_object(), "accountId", "acc-2", "the account's id can't be changed"),
        (app_object(), "appId", "app-2", "the app's id can't be changed"),
    ],
)
async def test_identity_can_not_be_changed(
    api: KindsApi, raw: dict[str, Any], member: str, value: Any, words: str
) -> None:
    await api.create(raw)
    error = await api.refused(raw, put(member, value))
    assert error.fields == (f"spec.{member}",)
    assert words in str(error)


@pytest.mark.parametrize("member", ["request", "trial", "credentials"])
async def test_a_register_can_not_be_taken_away(api: KindsApi, member: str) -> None:
    raw = installation_object(trial=trial(NOON))
    await api.create(raw)
    error = await api.refused(raw, [{"op": "remove", "path": f"/spec/{member}"}])
    assert error.fields == (f"spec.{member}",)
    assert "can't be taken away" in str(error)


@pytest.mark.case(7)
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("installationId", "x" * 129),
        ("installationId", ""),
        ("accountId", "x" * 129),
        ("accountName", "x" * 513),
        ("request", request_object(event="x" * 129)),
        ("request", request_object(reason="x" * 1025)),
        ("request", request_object(appVersion="x" * 129)),
        ("request", request_object("Reinstall")),
        ("request", request_object() | {"eventTime": "yesterday"}),
        ("credentials", keys(NOON, "Not_a_name")),
        ("trial", trial(NOON, state="Over")),
        ("endpoints", {"api": "ftp://api.talkdeskapp.com", "token": "https://acme.talkdeskid.com/oauth/token"}),
        ("endpoints", {"api": "https://api.talkdeskapp.com/" + "x" * 512, "token": "https://a.talkdeskid.com"}),
        ("deletionPolicy", "Maybe"),
    ],
)
async def test_values_out_of_bounds_are_refused_by_their_field(api: KindsApi, member: str, value: Any) -> None:
    error = await api.not_created(installation_object(**{member: value}))
    assert any(field.startswith(f"spec.{member}") for field in error.fields)


SIMULATOR = {"api": "http://127.0.0.1:8081", "token": "http://127.0.0.1:8082/{account}/oauth/token"}
STEP = {"name": "base", "manifests": [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}]}


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"endpoints": SIMULATOR}, "spec", "give either region or endpoints"),
        ({"region": None}, "spec", "give either region or endpoints"),
        ({"tenant": {"serviceAccountName": "p", "steps": [STEP, STEP]}}, "spec.tenant.steps[1]", "Duplicate value"),
        ({"tenant": {"serviceAccountName": "p", "steps": []}}, "spec.tenant.steps", "at least 1"),
        ({"deadline": {"answerWithin": "a week"}}, "spec.deadline.answerWithin", "should match"),
        ({"deadline": {"answerWithin": "0d"}}, "spec.deadline.answerWithin", "longer than nothing"),
        ({"resyncPeriod": "0s"}, "spec.resyncPeriod", "longer than nothing"),
        ({"resyncPeriod": "1h1d"}, "spec.resyncPeriod", "should match"),
        ({"retention": {"keepFor": "-1d"}}, "spec.retention.keepFor", "should match"),
        ({"region": "Mars"}, "spec.region", "Unsupported value"),
        ({"appId": None}, "spec.appId", "Required value"),
    ],
)
async def test_an_app_that_makes_no_sense_is_refused_in_words(
    api: KindsApi, spec: dict[str, Any], field: str, words: str
) -> None:
    error = await api.not_created(app_object(**spec))
    assert field in error.fields
    assert words in str(error)


async def test_defaults_are_filled_in_by_the_api_server(api: KindsApi) -> None:
    spec = (await api.create(app_object()))["spec"]
    assert spec["deadline"] == {"answerWithin": "7d", "warnBefore": ["3d", "1d", "1h"], "gracePeriod": "1d"}
    assert spec["events"] == {"signatureVerification": "Required"}
    assert spec["uninstall"] == {"approvalTiming": "AfterOffboard", "offboardTimeout": "10m", "confirmAfter": "1h"}
    assert spec["auth"]["method"] == "PrivateKeyJwt"
    assert spec["tenant"]["steps"][0]["onOffboard"] == "Retain"
    made = await api.create(installation_object())
    assert (made["spec"]["paused"], made["spec"]["deletionPolicy"]) == (False, "Retain")
    assert "status" not in made


@pytest.mark.case(46)
async def test_a_field_that_nobody_knows_is_pruned_and_strict_clients_are_told(api: KindsApi, crds: Cluster) -> None:
    raw = installation_object(retries=7)
    assert "retries" not in (await api.create(raw))["spec"]
    with pytest.raises(KubectlFailed, match="strict decoding error: unknown field"):
        crds.kubectl("apply", "--namespace", api.namespace, "--filename=-", stdin=manifest(raw, api.namespace))


async def test_values_and_manifests_may_have_any_shape(api: KindsApi) -> None:
    shape = {"a": [1, {"b": "x"}], "c": {"d": 1.5}}
    assert (await api.create(tenant_object(values=shape)))["spec"]["values"] == shape
    step = {"name": "base", "manifests": [CONFIG_MAP | {"kind": "X", "spec": {"replicas": "${1}"}}]}
    made = await api.create(app_object(tenant={"serviceAccountName": "p", "steps": [step]}))
    assert made["spec"]["tenant"]["steps"][0]["manifests"] == step["manifests"]


def manifest(raw: dict[str, Any], namespace: str) -> str:
    metadata = {"name": raw["metadata"]["name"], "namespace": namespace}
    return json.dumps(raw | {"metadata": metadata})


async def test_the_status_has_its_own_door(api: KindsApi) -> None:
    raw = installation_object()
    made = await api.create(raw)
    status = {"status": {"phase": "Active"}, "spec": {"accountName": "changed"}}
    after = await api.patch(raw, status, MERGE_PATCH, "/status")
    assert after["status"] == {"phase": "Active"}
    assert after["spec"] == made["spec"]
    assert after["metadata"]["generation"] == made["metadata"]["generation"]
    unchanged = await api.patch(raw, {"status": {"phase": "Gone"}}, MERGE_PATCH)
    assert unchanged["status"] == {"phase": "Active"}


@pytest.mark.parametrize(("length", "taken"), [(63, True), (64, False)])
async def test_an_apps_name_is_short_enough_for_a_label(api: KindsApi, length: int, *, taken: bool) -> None:
    raw = app_object()
    raw["metadata"]["name"] = "a" * length
    if taken:
        await api.create(raw)
    else:
        assert "at most 63 characters" in str(await api.not_created(raw))


def with_manifest(manifest: dict[str, Any], **tenant: Any) -> dict[str, Any]:
    raw = app_object()
    raw["spec"]["tenant"] |= {"steps": [{"name": "base", "manifests": [manifest]}], **tenant}
    return raw


CONFIG_MAP: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "${tenant.name}-a"}}


@pytest.mark.parametrize(
    ("changes", "place", "why"),
    [
        ({"apiVersion": None}, "apiVersion", "Required value"),
        ({"kind": None}, "kind", "Required value"),
        ({"metadata": None}, "metadata", "Required value"),
        ({"metadata": {}}, "metadata.name", "Required value"),
        ({"metadata": {"name": ""}}, "metadata.name", "at least 1 chars"),
        ({"metadata": {"name": 7}}, "metadata.name", "must be of type string"),
        ({"metadata": {"name": "a-${tenant.name"}}, "metadata.name", "has no closing brace"),
        ({"apiVersion": "v1/"}, "apiVersion", "should match"),
        ({"kind": "${tenant.name}"}, "kind", "should match"),
        ({"kind": "List"}, "kind", "written as separate manifests"),
        ({"apiVersion": "appconnect.talkdesk.dev/v1alpha1"}, "apiVersion", "cannot be in a template"),
    ],
)
async def test_a_manifest_that_can_work_for_nobody_is_refused_by_its_place(
    api: KindsApi, changes: dict[str, Any], place: str, why: str
) -> None:
    manifest = {key: value for key, value in (CONFIG_MAP | changes).items() if value is not None}
    with pytest.raises(KubeInvalid) as caught:
        await api.create(with_manifest(manifest))
    assert f"spec.tenant.steps[0].manifests[0].{place}" in str(caught.value)
    assert why in str(caught.value)


async def test_a_tenants_name_whose_expression_does_not_end_and_a_second_step_of_a_name_are_refused(
    api: KindsApi,
) -> None:
    with pytest.raises(KubeInvalid, match=r"spec\.tenant\.name: .* has no closing brace"):
        await api.create(with_manifest(CONFIG_MAP, name="${account.id"))
    step = {"name": "base", "manifests": [CONFIG_MAP]}
    with pytest.raises(KubeInvalid, match="Duplicate value"):
        await api.create(with_manifest(CONFIG_MAP, steps=[step, step]))


async def test_whatever_else_a_manifest_holds_is_kept(api: KindsApi) -> None:
    more = {"data": {"x": "${{'a': {'b': 1}}.a.b}"}, "metadata": {"name": "${'}' + tenant.name}", "labels": {"a": "b"}}}
    made = await api.create(with_manifest(CONFIG_MAP | more))
    assert made["spec"]["tenant"]["steps"][0]["manifests"] == [CONFIG_MAP | more]
