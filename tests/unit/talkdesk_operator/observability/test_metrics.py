from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest

from builders.raw_objects import installation
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_operator.observability.installation_tally import Counted, InstallationTally
from talkdesk_operator.observability.metrics import Metrics

NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)


def test_queue_and_reconciles_have_the_names_that_dashboards_for_controller_runtime_use() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.reconciles.total.labels("account", "success").inc()
    text = generate_latest(registry).decode()
    for line in (
        'workqueue_depth{controller="account",name="account"} 0.0',
        'workqueue_adds_total{controller="account",name="account"} 0.0',
        'workqueue_retries_total{controller="account",name="account"} 0.0',
        'workqueue_unfinished_work_seconds{controller="account",name="account"} 0.0',
        'workqueue_longest_running_processor_seconds{controller="account",name="account"} 0.0',
        'workqueue_queue_duration_seconds_count{controller="account",name="account"} 0.0',
        'workqueue_work_duration_seconds_count{controller="account",name="account"} 0.0',
        'controller_runtime_reconcile_total{controller="account",result="success"} 1.0',
        'controller_runtime_reconcile_errors_total{controller="account"} 0.0',
        'controller_runtime_reconcile_time_seconds_count{controller="account"} 0.0',
        'controller_runtime_max_concurrent_reconciles{controller="account"} 0.0',
        'controller_runtime_active_workers{controller="account"} 0.0',
        "talkdesk_watch_last_event_age_seconds 0.0",
        "talkdesk_event_to_answer_seconds_count 0.0",
    ):
        assert line in text.splitlines()


def test_requests_are_counted_by_outcome_and_timed_by_call() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.count_talkdesk_request("token", "ok", 0.2)
    metrics.count_talkdesk_request("token", "Unavailable", 0.3)
    metrics.count_write("Secret", "delete")
    count = registry.get_sample_value
    assert count("talkdesk_api_requests_total", {"call": "token", "outcome": "Unavailable"}) == 1
    assert count("talkdesk_api_request_duration_seconds_sum", {"call": "token"}) == 0.5
    assert count("talkdesk_kubernetes_writes_total", {"kind": "Secret", "verb": "delete"}) == 1


def test_metrics_of_two_registries_do_not_collide() -> None:
    Metrics(CollectorRegistry())
    Metrics(CollectorRegistry())


def counting(*tallies: InstallationTally) -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for tally in tallies:
        metrics.installations.count(tally, lambda: NOW)
    return registry


def test_installations_are_counted_at_the_scrape() -> None:
    tally = InstallationTally()
    registry = counting(tally)
    counted = {
        name: Counted.of(TalkdeskInstallation.read(installation(name, status=status)))
        for name, status in (
            ("i1", {"phase": "Active"}),
            ("i2", {"phase": "Active", "deadline": "2026-05-01T11:00:00Z"}),
            ("i3", {"deadline": "2026-05-01T10:30:00Z"}),
        )
    }
    for name, each in counted.items():
        tally.add(name, each)
    app = {"namespace": "team", "app": "sentiment"}
    assert registry.get_sample_value("talkdesk_installations", app | {"phase": "Active"}) == 2
    assert registry.get_sample_value("talkdesk_installations", app | {"phase": "Unknown"}) == 1
    assert registry.get_sample_value("talkdesk_nearest_deadline_seconds", app) == 1800
    for name, each in counted.items():
        tally.remove(name, each)
    assert registry.get_sample_value("talkdesk_installations", app | {"phase": "Active"}) is None
    assert registry.get_sample_value("talkdesk_nearest_deadline_seconds", app) is None


def tally_of(found: TalkdeskInstallation) -> InstallationTally:
    tally = InstallationTally()
    tally.add("it", Counted.of(found))
    return tally


def test_conditions_and_marks_before_deadlines_are_counted_at_the_scrape() -> None:
    valid = {"type": "CredentialsValid", "status": "False", "reason": "x", "lastTransitionTime": "2026-05-01T09:00:00Z"}
    found = TalkdeskInstallation.read(installation(status={"conditions": [valid], "timeLeft": "under 1d"}))
    registry = counting(tally_of(found))
    app = {"namespace": "team", "app": "sentiment"}
    labels = app | {"type": "CredentialsValid", "status": "False"}
    assert registry.get_sample_value("talkdesk_installation_conditions", labels) == 1
    assert registry.get_sample_value("talkdesk_installations_near_deadline", app | {"left": "under 1d"}) == 1


def test_a_deadline_that_passed_is_negative() -> None:
    late = TalkdeskInstallation.read(installation(status={"deadline": "2026-05-01T09:59:00Z"}))
    registry = counting(tally_of(late))
    app = {"namespace": "team", "app": "sentiment"}
    assert registry.get_sample_value("talkdesk_nearest_deadline_seconds", app) == -60


def test_a_process_with_several_shards_counts_them_together() -> None:
    first, second = (
        tally_of(TalkdeskInstallation.read(installation(status={"phase": "Active", "deadline": deadline})))
        for deadline in ("2026-05-01T11:00:00Z", "2026-05-01T10:30:00Z")
    )
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    app = {"namespace": "team", "app": "sentiment"}
    with metrics.installations.counting(first, lambda: NOW):
        with metrics.installations.counting(second, lambda: NOW):
            assert registry.get_sample_value("talkdesk_installations", app | {"phase": "Active"}) == 2
            assert registry.get_sample_value("talkdesk_nearest_deadline_seconds", app) == 1800
        assert registry.get_sample_value("talkdesk_installations", app | {"phase": "Active"}) == 1
        assert registry.get_sample_value("talkdesk_nearest_deadline_seconds", app) == 3600
    assert registry.get_sample_value("talkdesk_installations", app | {"phase": "Active"}) is None


def test_open_breakers_are_counted_at_the_scrape() -> None:
    open_breakers = {("team/sentiment", "token"): 2}
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    labels = {"app": "team/sentiment", "host": "token"}
    with metrics.breakers.reading(lambda: open_breakers):
        assert registry.get_sample_value("talkdesk_api_breaker_open", labels) == 2
        with metrics.breakers.reading(lambda: {("team/sentiment", "token"): 1}):
            assert registry.get_sample_value("talkdesk_api_breaker_open", labels) == 3
        open_breakers.clear()
        assert registry.get_sample_value("talkdesk_api_breaker_open", labels) is None
    open_breakers["team/sentiment", "token"] = 2
    assert registry.get_sample_value("talkdesk_api_breaker_open", labels) is None
    assert "talkdesk_api_breaker_open gauge" in generate_latest(registry).decode()
