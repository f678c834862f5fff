"""The three kinds read what the API server gives them, whatever version wrote it."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, BeforeValidator, ValidationError

from builders.objects import NOON, app, app_object, installation, installation_object, tenant, tenant_object
from talkdesk_crds import KINDS, TalkdeskApp, TalkdeskInstallation, TalkdeskTenant
from talkdesk_crds.app import ApprovalTiming, AppStatus, AuthMethod, ConflictPolicy, SignatureVerification
from talkdesk_crds.conditions import ConditionType
from talkdesk_crds.installation import Decision, DeletionPolicy, InstallationStatus, TrialState
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.tenant import OnOffboard, StepState, TenantStatus

OBJECTS = [
    (TalkdeskApp, app_object()),
    (TalkdeskInstallation, installation_object()),
    (TalkdeskTenant, tenant_object()),
]


@pytest.mark.parametrize(("kind", "raw"), OBJECTS)
def test_an_object_is_known_by_kind_namespace_and_name(kind: type[CustomResource], raw: dict[str, Any]) -> None:
    read = kind.read(raw)
    assert read.key == (raw["metadata"]["namespace"], raw["metadata"]["name"])
    assert kind.head() == {"apiVersion": raw["apiVersion"], "kind": raw["kind"]}
    assert read.INFO.singular == raw["kind"].lower()
    assert read.metadata.creation_timestamp == NOON


@pytest.mark.parametrize(("kind", "raw"), OBJECTS)
def test_reading_passes_over_what_a_newer_version_wrote(kind: type[CustomResource], raw: dict[str, Any]) -> None:
    newer = raw | {"spec": raw["spec"] | {"fromTheFuture": {"a": 1}}, "status": {"fromTheFuture": True}}
    assert kind.read(newer) == kind.read(raw | {"status": {}})


@pytest.mark.parametrize(("kind", "raw"), OBJECTS)
def test_an_unreadable_object_is_refused_without_its_values(kind: type[CustomResource], raw: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        kind.read(raw | {"spec": {name: ["canary"] for name in raw["spec"]}})
    assert "canary" not in str(caught.value)


def test_defaults_are_the_careful_ones() -> None:
    spec = app().spec
    assert spec.events.signature_verification is SignatureVerification.REQUIRED
    assert spec.auth.method is AuthMethod.PRIVATE_KEY_JWT
    assert spec.uninstall.approval_timing is ApprovalTiming.AFTER_OFFBOARD
    assert spec.tenant.steps[0].on_offboard is OnOffboard.RETAIN
    assert spec.tenant.steps[0].conflict_policy is ConflictPolicy.FAIL
    assert installation().spec.deletion_policy is DeletionPolicy.RETAIN
    assert not installation().spec.paused
    assert not tenant().spec.deletion_protection


def test_an_object_without_status_has_an_empty_one() -> None:
    assert TalkdeskInstallation.read(installation_object()).status == InstallationStatus()
    assert TalkdeskTenant.read(tenant_object()).status == TenantStatus()


def test_an_installation_knows_the_name_of_its_app() -> None:
    assert installation(appRef={"name": "other"}).app == "other"


def test_names_of_kinds_do_not_overlap() -> None:
    for names in zip(*((k.INFO.kind, k.INFO.plural, k.INFO.short_name) for k in KINDS), strict=True):
        assert len(set(names)) == len(KINDS)


@pytest.mark.parametrize("text", ["2026-03-01T12:00:00", "yesterday", "2026-13-01T00:00:00Z"])
def test_a_moment_needs_a_zone_and_a_place_in_the_calendar(text: str) -> None:
    raw = installation_object(request={"type": "Install", "eventId": "e", "eventTime": text})
    with pytest.raises(ValidationError, match="eventTime"):
        TalkdeskInstallation.read(raw)


def enumerations(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the fields below a model whose values are enumerated, each with its annotation."""
    for name, field in model.model_fields.items():
        place = f"{path}.{field.alias or name}"
        parts = [field.annotation, *get_args(field.annotation)]
        parts += [inner for part in parts for inner in get_args(part)]
        for part in parts:
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from enumerations(part, place)
            elif (isinstance(part, type) and issubclass(part, StrEnum)) or get_origin(part) is Literal:
                yield place, field


STATUSES: list[type[BaseModel]] = [AppStatus, InstallationStatus, TenantStatus]


@pytest.mark.parametrize("status", STATUSES)
def test_every_enumeration_in_a_status_is_read_whatever_a_newer_version_wrote(status: type[BaseModel]) -> None:
    found = dict(enumerations(status))
    assert found
    for place, field in found.items():
        if place == ".ending.reason":
            continue  # see test_an_ending_of_a_newer_version_is_not_guessed_at_because_deletions_follow_from_it
        validators = [each for each in field.metadata if isinstance(each, BeforeValidator)]
        assert validators, place


@pytest.mark.case(56)
def test_an_installations_status_of_a_newer_version_is_read_with_the_value_that_harms_nobody() -> None:
    when = "2026-03-01T12:00:00Z"
    status = {
        "phase": "Teleported",
        "conditions": [{"type": "Ready", "status": "Maybe", "reason": "New", "lastTransitionTime": when}],
        "answer": {"eventId": "e", "decision": "Postpone", "deliveryTime": when},
        "trial": {"state": "Paused", "lastTransitionTime": when},
    }
    read = TalkdeskInstallation.read(installation_object() | {"status": status}).status
    assert read.phase is None
    assert read.conditions[0].status == "Unknown"
    assert read.answer is not None
    assert read.answer.decision is Decision.APPROVE
    assert read.trial is not None
    assert read.trial.state is TrialState.STARTED


@pytest.mark.case(56)
def test_an_inventory_of_a_newer_version_loses_no_object() -> None:
    item = {"step": "base", "version": "v1", "kind": "ConfigMap", "name": "x", "onOffboard": "Archive"}
    status = {"inventory": [item], "steps": [{"name": "base", "state": "Dreaming"}]}
    read = TalkdeskTenant.read(tenant_object() | {"status": status}).status
    assert read.inventory[0].on_offboard is OnOffboard.RETAIN
    assert read.steps[0].state is StepState.PENDING


@pytest.mark.case(56)
def test_an_ending_of_a_newer_version_is_not_guessed_at_because_deletions_follow_from_it() -> None:
    ending = {"eventId": "e", "reason": "Evaporated", "time": "2026-03-01T12:00:00Z"}
    with pytest.raises(ValidationError, match="ending"):
        TalkdeskInstallation.read(installation_object() | {"status": {"ending": ending}})


def test_a_spec_with_an_unknown_value_is_not_guessed_at() -> None:
    with pytest.raises(ValidationError, match="deletionPolicy"):
        TalkdeskInstallation.read(installation_object(deletionPolicy="Maybe"))


def test_a_copy_with_a_field_that_there_isnt_is_an_error() -> None:
    status = InstallationStatus(observed_generation=1)
    assert status.model_copy(update={"observed_generation": 2}).observed_generation == 2
    with pytest.raises(TypeError, match="InstallationStatus has no observed"):
        status.model_copy(update={"observed": 2})


def test_the_descriptions_of_the_conditions_name_every_type() -> None:
    kinds = (InstallationStatus, TenantStatus, AppStatus)
    text = " ".join(kind.model_fields["conditions"].description or "" for kind in kinds)
    assert [kind.value for kind in ConditionType if kind.value not in text] == []
