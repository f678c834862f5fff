import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.events import APP_ID, NOON, event, installed, links, rotated, uninstalled
from talkdesk_crds.events import Delta, EventError, UnknownEvent, UserLogout, parse_event
from talkdesk_crds.hosts import HostAllowList, Region
from talkdesk_crds.installation import InstallationSpec
from talkdesk_crds.names import is_dns_label
from talkdesk_webhook.event_record import EventRecord, ForbiddenEvent, check_event, describe_changes, record_of
from talkdesk_webhook.known_app import KnownApp


def app(name: str = "sentiment", *, region: Region = Region.US) -> KnownApp:
    return KnownApp("team", name, APP_ID, verify_signatures=True, hosts=HostAllowList.for_region(region))


def recorded(body: dict[str, Any], known: KnownApp | None = None) -> EventRecord:
    parsed = parse_event(body, NOON + timedelta(seconds=1))
    assert not isinstance(parsed, UnknownEvent | UserLogout)
    check_event(known or app(), parsed.head)
    return record_of(known or app(), parsed)


def spec(record: EventRecord) -> dict[str, Any]:
    fields = {name: value for register in record.registers for name, value in register.fields.items()}
    whole = {
        "appRef": {"name": record.app},
        "installationId": record.installation_id,
        "accountId": record.account_id,
    } | fields
    InstallationSpec.model_validate(whole)
    return fields


def test_an_install_sets_request_credentials_name_and_endpoints() -> None:
    record = recorded(installed())
    assert record.create_first
    assert record.name == "sentiment-5c1f0a9b"
    assert record.secret is not None
    assert spec(record) == {
        "request": {
            "type": "Install",
            "eventId": "event-app.installed",
            "eventTime": "2026-03-01T12:00:00Z",
            "appVersion": "1.4",
        },
        "accountName": "acme",
        "credentials": {
            "secretName": record.secret.name,
            "eventId": "event-app.installed",
            "eventTime": "2026-03-01T12:00:00Z",
            "origin": "Install",
        },
        "endpoints": {
            "api": "https://api.talkdeskapp.com",
            "token": "https://acme.talkdeskid.com/oauth/token",
            "authorization": "https://acme.talkdeskid.com/oauth/authorize",
        },
    }


def test_the_secret_holds_all_credentials_and_its_repr_none_of_them() -> None:
    record = recorded(installed())
    assert record.secret is not None
    assert set(record.secret.material) == {
        "client_id",
        "client_secret",
        "private_key",
        "public_key",
        "key_id",
        "key_algorithm",
    }
    assert "made-up" not in repr(record)


def test_equal_credentials_share_a_secret_and_different_ones_never_do() -> None:
    def name(body: dict[str, Any]) -> str:
        secret = recorded(body).secret
        assert secret is not None
        assert is_dns_label(secret.name)
        return secret.name

    assert name(installed(mark="1")) == name(installed(mark="1", id="another"))
    names = {
        name(installed(mark="1")),
        name(installed(mark="2")),
        name(installed({"client_secret": "another"})),
        name(installed({"installation_id": "other"})),
    }
    assert len(names) == 4


def test_an_uninstall_sets_only_its_request_with_the_reason() -> None:
    record = recorded(uninstalled())
    assert not record.create_first
    assert record.secret is None
    assert set(spec(record)) == {"request", "accountName"}
    assert spec(record)["request"]["type"] == "Uninstall"
    assert spec(record)["request"]["reason"] == "other: moved on"


def test_an_update_is_a_request_that_says_what_changes() -> None:
    change = {"users": {"adding": ["u1", "u2"], "removing": ["u3"]}, "subscription": {"adding": {"name": "Pro"}}}
    record = recorded(event("app.updated", change))
    assert (record.create_first, record.secret) == (False, None)
    assert spec(record)["request"]["type"] == "Update"
    assert spec(record)["request"]["changes"] == "2 users added, 1 removed; plan Pro"
    assert "changes" not in spec(recorded(event("app.updated")))["request"]


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (Delta(), None),
        (Delta(1), "1 user added"),
        (Delta(2), "2 users added"),
        (Delta(2, 1), "2 users added, 1 removed"),
        (Delta(0, 1), "1 user removed"),
        (Delta(0, 3), "3 users removed"),
        (Delta(plan="Pro"), "plan Pro"),
        (Delta(licenses=1), "1 license"),
        (Delta(licenses=0), "0 licenses"),
        (Delta(2, 1, "Pro", 10), "2 users added, 1 removed; plan Pro; 10 licenses"),
    ],
)
def test_a_change_is_described_in_a_few_words(delta: Delta, words: str | None) -> None:
    assert describe_changes(delta) == words


def test_the_longest_description_fits() -> None:
    assert len(describe_changes(Delta(99_999, 99_999, "x" * 60, 999_999_999)) or "") <= 128


@pytest.mark.parametrize(
    ("kind", "state"),
    [("app.trial_started", "Started"), ("app.trial_extended", "Extended"), ("app.trial_ended", "Ended")],
)
def test_a_trial_event_sets_the_trial_and_not_the_name(kind: str, state: str) -> None:
    data = {"expires_at": "2026-04-01T00:00:00Z", "ended_reason": "trial_expired", "ended_at": "2026-02-28T00:00:00Z"}
    fields = spec(recorded(event(kind, data)))
    trial = {"state": state, "eventId": f"event-{kind}", "eventTime": "2026-03-01T12:00:00Z"}
    reason = {"endedReason": "trial_expired"} if state == "Ended" else {}
    assert fields == {"trial": trial | {"expirationTime": "2026-04-01T00:00:00Z"} | reason}


@pytest.mark.parametrize("kind", ["app.trial_started", "app.trial_extended", "app.trial_ended"])
def test_a_trial_may_have_no_end_date(kind: str) -> None:
    trial = spec(recorded(event(kind, {"expires_at": None})))["trial"]
    assert set(trial) == {"state", "eventId", "eventTime"}


def test_a_rotation_sets_credentials_and_not_the_request() -> None:
    record = recorded(rotated())
    assert set(spec(record)) == {"credentials", "endpoints"}
    assert spec(record)["credentials"]["origin"] == "Rotation"
    assert record.secret is not None
    assert not record.create_first


@pytest.mark.parametrize(
    "without",
    [
        {},
        {"root": {"href": "https://api.talkdeskapp.com"}},
        {"tokens": {"href": "https://acme.talkdeskid.com/oauth/token"}},
        links() | {"tokens": {"href": "https://acme.talkdeskid.com/" + "x" * 600}},
        links() | {"tokens": {"href": "http://[::1"}},
        links() | {"root": {"href": "no URL"}},
    ],
)
def test_without_usable_links_the_region_decides(without: dict[str, Any]) -> None:
    assert "endpoints" not in spec(recorded(installed(_links=without)))


def test_only_an_overlong_authorization_link_is_left_out() -> None:
    overlong = links() | {"authorization": {"href": "https://acme.talkdeskid.com/" + "x" * 600}}
    assert "authorization" not in spec(recorded(installed(_links=overlong)))["endpoints"]


@pytest.mark.case(75)
def test_an_authorization_link_that_is_no_url_is_left_out() -> None:
    odd = links() | {"authorization": {"href": "http://[::1"}}
    assert "authorization" not in spec(recorded(installed(_links=odd)))["endpoints"]


def test_the_gateway_is_kept_without_a_slash_at_its_end() -> None:
    slashed = links() | {"root": {"href": "https://api.talkdeskapp.com/"}}
    assert spec(recorded(installed(_links=slashed)))["endpoints"]["api"] == "https://api.talkdeskapp.com"


@pytest.mark.case(14)
def test_an_event_for_another_app_is_forbidden() -> None:
    with pytest.raises(ForbiddenEvent) as caught:
        recorded(installed(app_id="another"))
    assert caught.value.reason == "foreign_app"


@pytest.mark.case(14)
@pytest.mark.parametrize(
    "foreign",
    [
        {"root": "https://api.talkdeskapp.eu"},
        {"root": "https://api.talkdeskapp.com.evil.example"},
        {"root": "http://api.talkdeskapp.com"},
        {"root": "https://user@api.talkdeskapp.com"},
        {"tokens": "https://acme.talkdeskid.eu/oauth/token"},
        {"tokens": "https://evil.example/oauth/token"},
        {"authorization": "https://evil.example/oauth/authorize"},
        {"root": "file:///etc/passwd"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["app.installed", "app.uninstalled", "app.credentials_rotated"])
def test_a_link_to_a_foreign_host_is_forbidden_in_any_event(kind: str, foreign: dict[str, str]) -> None:
    body = {"app.installed": installed, "app.uninstalled": uninstalled, "app.credentials_rotated": rotated}[kind]()
    body["_links"] = links() | {name: {"href": url} for name, url in foreign.items()}
    with pytest.raises(ForbiddenEvent) as caught:
        recorded(body)
    assert caught.value.reason == "foreign_host"


@pytest.mark.case(57)
@given(st.text(min_size=1, max_size=400), st.text(min_size=1, max_size=128))
def test_names_come_from_ids_alone_and_are_always_labels(account_name: str, installation_id: str) -> None:
    record = recorded(installed({"account_name": account_name, "installation_id": installation_id}))
    assert is_dns_label(record.name)
    assert record.secret is not None
    assert is_dns_label(record.secret.name)
    assert record.name == recorded(installed({"installation_id": installation_id})).name
    assert spec(record)["accountName"] == account_name


@pytest.mark.case(59)
def test_apps_and_installations_that_look_alike_never_share_a_name() -> None:
    pairs = [("a", "b-c"), ("a-b", "c"), ("a", "bc"), ("ab", "c"), ("a", "B-C"), ("a", "b_c"), ("a", "b.c")]
    names = {recorded(installed({"installation_id": id_}), app(name)).name for name, id_ in pairs}
    assert len(names) == len(pairs)


CANARY = "canary-4711"
KINDS = [
    *("app.installed", "app.updated", "app.uninstalled", "app.credentials_rotated"),
    *("app.trial_started", "app.trial_extended", "app.trial_ended", "user.logout"),
]
MEMBERS: list[tuple[str, ...]] = [
    *((name,) for name in ("type", "event_type", "id", "event_id", "created_at", "app_id", "app_version_id")),
    *((name,) for name in ("app_version_name", "api_version", "data", "_links")),
    *(("_links", name) for name in ("root", "tokens", "authorization", "self")),
    *(("data", name) for name in ("installation_id", "account_id", "account_name", "reason", "users", "subscription")),
    *(("data", name) for name in (*rotated()["data"], "expires_at", "ended_at", "ended_reason", "user_id")),
    *(("data", "users", name) for name in ("adding", "removing")),
    *(("data", "subscription", "adding", name) for name in ("name", "licenses")),
]
VALUES: list[Any] = [
    *(None, True, 7, -7, 10**400, 7.5, "", [], {}, [CANARY], {"href": CANARY}, {"type": CANARY, "message": CANARY}),
    *(CANARY, CANARY * 20_000, f"{CANARY}\r\nx: y", f"${{{CANARY}}}", f"\0{CANARY}\x7f", f"\ud800{CANARY}"),
    *(f"\u202e{CANARY}🚀", f"https://{CANARY}.example", {"href": f"https://u:{CANARY}@api.talkdeskapp.com"}),
    *(
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        {"adding": [CANARY] * 20_000},
        {"adding": {"name": CANARY}},
    ),
]


def changed(body: Any, path: tuple[str, ...], value: Any) -> Any:
    """Put a value in a member, made on the way where there is none; `...` takes it away."""
    inner = body if isinstance(body, dict) else {}
    if len(path) > 1:
        return inner | {path[0]: changed(inner.get(path[0]), path[1:], value)}
    return {key: known for key, known in inner.items() if key != path[0]} | ({} if value is ... else {path[0]: value})


def refusal(body: dict[str, Any]) -> str | None:
    """Return the words with which an event is refused; None for one that can be stored, or need not be."""
    try:
        parsed = parse_event(body, NOON)
        if isinstance(parsed, UnknownEvent):
            return None
        check_event(app(), parsed.head)
        if isinstance(parsed, UserLogout):
            return None
        record = record_of(app(), parsed)
    except (EventError, ForbiddenEvent) as error:
        return str(error)
    assert is_dns_label(record.name)
    json.dumps(spec(record), ensure_ascii=False).encode()
    if record.secret is not None:
        assert is_dns_label(record.secret.name)
        json.dumps(dict(record.secret.material), ensure_ascii=False).encode()
        assert all(
            value not in json.dumps(spec(record)) for value in record.secret.material.values() if CANARY in value
        )
    return None


@pytest.mark.case(7, 57, 61)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", MEMBERS, ids=".".join)
def test_whatever_a_member_holds_the_event_is_recorded_or_refused_without_quoting_it(
    kind: str, path: tuple[str, ...]
) -> None:
    whole = event(kind, rotated()["data"])
    for value in (..., *VALUES):
        said = refusal(changed(whole, path, value))
        # A host that is not ours is named, so that a person can find the cause.
        assert said is None or CANARY not in said or said.startswith("_links: "), value
        assert said is None or len(said) < 500
