"""The rules of the reference service, without HTTP."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from builders.manual_clock import ManualClock
from talkdesk_sandbox.hook import Made, Partner, PartnerFailed, Service
from talkdesk_sandbox.hook.records import Operation, Records
from talkdesk_sandbox.hook.service import Change


class Counting(Partner):
    """Counts what it is asked for, and fails as often as it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.failures = 0

    @override
    def apply(self, tenant: str, wanted: Mapping[str, Any], had: Made | None) -> Made:
        self.calls.append((tenant, wanted["state"]))
        self._fail()
        return super().apply(tenant, wanted, had)

    @override
    def remove(self, tenant: str) -> None:
        self.calls.append((tenant, "Deleted"))
        self._fail()

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise PartnerFailed("the disk is full")


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    kept = Records(tmp_path / "hook.db")
    yield kept
    kept.close()


@pytest.fixture
def partner() -> Counting:
    return Counting()


@pytest.fixture
def service(records: Records, partner: Counting) -> Service:
    return Service(records, partner)


def put(key: str = "k1", *, generation: int | None = 1, state: str = "Active", tenant: str = "acme") -> Change:
    body = {"tenant": {"id": tenant}, "state": state} | ({} if generation is None else {"generation": generation})
    return Change("PUT", tenant, key, body, f"{state} {generation}".encode())


def delete(key: str = "d1", *, generation: int = 9) -> Change:
    return Change("DELETE", "acme", key, {"tenant": {"id": "acme"}, "generation": generation}, b"deleted")


def test_a_repeat_gets_the_same_answer_and_does_nothing(service: Service, partner: Counting) -> None:
    first = service.change(put())

    assert first.status == 200
    assert service.change(put()) == first
    assert partner.calls == [("acme", "Active")]


def test_another_request_under_the_same_key_is_refused(service: Service, partner: Counting) -> None:
    service.change(put())

    assert service.change(put(generation=2)).status == 422
    assert service.change(put(tenant="other")).status == 422
    assert len(partner.calls) == 1


def test_an_older_generation_is_refused_and_the_same_one_is_not(service: Service, partner: Counting) -> None:
    service.change(put(generation=3))

    assert service.change(put("k2", generation=2)).status == 409
    assert service.change(delete(generation=2)).status == 409
    assert service.change(put("k3", generation=3, state="Suspended")).status == 200
    assert partner.calls == [("acme", "Active"), ("acme", "Suspended")]


def test_a_body_without_a_generation_is_taken(service: Service) -> None:
    assert service.change(put(generation=None)).status == 200
    assert service.change(put("k2", generation=None, state="Suspended")).status == 200


def test_what_is_deleted_may_begin_again_at_any_generation(service: Service) -> None:
    service.change(put(generation=3))

    assert service.change(delete()).status == 200
    assert service.change(delete("d2")).status == 410
    assert service.change(put("k2", generation=1)).status == 200


def test_a_late_copy_of_a_request_is_refused_after_the_deletion_and_its_secrets_are_gone(
    service: Service, partner: Counting
) -> None:
    service.change(put())
    service.change(delete())

    late = service.change(put())

    assert late.status == 422
    assert "secrets" not in late.content
    assert len(partner.calls) == 2


@pytest.mark.parametrize("change", [put(), delete()], ids=["put", "delete"])
def test_work_that_failed_may_be_asked_for_again_under_the_same_key(
    service: Service, partner: Counting, change: Change
) -> None:
    service.change(put("k0"))
    partner.failures = 1

    with pytest.raises(PartnerFailed):
        service.change(change)

    assert service.change(change).status == 200


def test_what_a_crash_interrupted_may_be_sent_again(records: Records, tmp_path: Path, partner: Counting) -> None:
    with records.transaction() as session:
        session.add(Operation(tenant="acme", key="k1", method="PUT", body={}, due=None, problem=None))
    assert Service(records, partner).change(put()).status == 409

    restarted = Records(tmp_path / "hook.db")

    assert Service(restarted, partner).change(put()).status == 200
    restarted.close()


def test_an_operation_goes_on_after_a_restart(records: Records, tmp_path: Path, partner: Counting) -> None:
    clock = ManualClock()
    assert Service(records, partner, seconds=60, clock=clock.time).change(put()).status == 202

    restarted = Records(tmp_path / "hook.db")
    service = Service(restarted, partner, seconds=60, clock=clock.time)

    assert service.last_operation("acme").content == {"state": "in progress"}
    clock.advance(60)
    assert service.last_operation("acme").content["state"] == "succeeded"
    assert partner.calls == [("acme", "Active")]
    restarted.close()


def test_nothing_else_begins_while_an_operation_is_under_way(records: Records, partner: Counting) -> None:
    clock = ManualClock()
    service = Service(records, partner, seconds=60, clock=clock.time)
    first = service.change(put())

    assert (first.status, first.content, first.wait) == (202, {"operation": "k1"}, 60)
    assert service.change(put()).status == 202
    assert service.change(put("k2", generation=2)).status == 409
    assert service.change(delete()).status == 409
    assert partner.calls == []


def test_an_operation_that_failed_says_why_and_another_may_begin(records: Records, partner: Counting) -> None:
    clock = ManualClock()
    service = Service(records, partner, seconds=60, clock=clock.time)
    service.change(put())
    partner.failures = 1
    clock.advance(60)

    assert service.last_operation("acme").content == {"state": "failed", "description": "the disk is full"}
    assert service.change(put("k2")).status == 202
    clock.advance(60)
    assert service.last_operation("acme").content["state"] == "succeeded"


def test_an_operation_of_a_deletion_ends_in_410(records: Records, partner: Counting) -> None:
    clock = ManualClock()
    service = Service(records, partner, seconds=60, clock=clock.time)
    service.change(put())
    clock.advance(60)
    assert service.change(delete()).status == 202
    assert service.last_operation("acme").content == {"state": "in progress"}
    clock.advance(60)

    assert service.last_operation("acme").status == 410
    assert partner.calls == [("acme", "Active"), ("acme", "Deleted")]


def test_the_password_is_made_once(service: Service) -> None:
    first = service.change(put())

    assert service.change(put("k2", state="Suspended")).content["secrets"] == first.content["secrets"]
