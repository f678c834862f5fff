"""Events are read leniently, what they can't do without is asked for by name, and nothing of a body is ever quoted."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.events import event, installed, links, material, rotated, uninstalled
from talkdesk_crds.events import (
    AppInstalled,
    AppUninstalled,
    AppUpdated,
    CredentialsRotated,
    CredentialsSet,
    Delta,
    EventError,
    Head,
    LifecycleEvent,
    Links,
    TrialEnded,
    TrialExtended,
    TrialStarted,
    UnknownEvent,
    UserLogout,
    parse_event,
)

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CANARY = "canary-4711"
TYPES: dict[str, type[Any]] = {
    "app.installed": AppInstalled,
    "app.updated": AppUpdated,
    "app.uninstalled": AppUninstalled,
    "app.trial_started": TrialStarted,
    "app.trial_extended": TrialExtended,
    "app.trial_ended": TrialEnded,
    "app.credentials_rotated": CredentialsRotated,
    "user.logout": UserLogout,
}
HOSTILE = [
    *(
        "\ud800",
        "\0",
        f"{CANARY}\r\nX: y",
        f"${{{CANARY}}}",
        f"{{{{{CANARY}}}}}",
        f"\u202e{CANARY}\u2066",
        "\x1b[31m",
        "🚀",
    ),
    *("..", "'\"`;--", f"<b>{CANARY}</b>", f"%s%n{CANARY}", "\u2028", "\ufeff", " "),
]
WRONG: list[Any] = [
    *(None, 7, -7, 10**400, 7.5, float("nan"), True, "", [], [CANARY], [None], {}, {"x": CANARY}, [[[[]]]]),
    *(CANARY * 4000, [CANARY] * 4000, {CANARY * 9: {CANARY: CANARY}}, *HOSTILE),
]
HARMLESS: list[Any] = [None, 7, 7.5, True, "", [], [CANARY], {}, {"x": CANARY}]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(CANARY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just(CANARY), inner, max_size=3),
    max_leaves=8,
)


def parse(body: Any, received_at: datetime = NOW) -> Any:
    return parse_event(body, received_at)


def head(parsed: Any) -> Head:
    found: Head = parsed.head
    return found


def full(kind: str) -> dict[str, Any]:
    """An event with all that an event of any type may have."""
    return event(
        kind,
        material()
        | {"expires_at": "2026-04-01T00:00:00Z", "ended_reason": "trial_expired", "ended_at": "2026-03-01T00:00:00Z"}
        | {"users": {"adding": ["u1", "u2"], "removing": ["u3"]}, "user_id": "u1", "user_email": "a@b.example"}
        | {"subscription": {"adding": {"name": "Pro", "licenses": "10"}}, "reason": {"type": "other", "message": "m"}},
    )


def without(body: dict[str, Any], *path: str) -> Any:
    return replaced(body, path, ...)


def replaced(body: Any, path: tuple[str, ...], value: Any) -> Any:
    """Put a value in place of the member at that path, if there still is such a place; `...` takes it away."""
    if not isinstance(body, dict) or (path[0] not in body and len(path) > 1):
        return body
    if len(path) > 1:
        return body | {path[0]: replaced(body[path[0]], path[1:], value)}
    rest = {key: known for key, known in body.items() if key != path[0]}
    return rest if value is ... else rest | {path[0]: value}


def problem(body: Any) -> str:
    with pytest.raises(EventError) as caught:
        parse(body)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def outcome(body: object) -> LifecycleEvent | str:
    try:
        return parse_event(body, NOW)
    except EventError as error:
        return str(error)


def leaves(body: dict[str, Any], *above: str) -> list[tuple[str, ...]]:
    paths: list[tuple[str, ...]] = []
    for key, value in body.items():
        paths.append((*above, key))
        if isinstance(value, dict):
            paths.extend(leaves(value, *above, key))
    return paths


@pytest.mark.parametrize(("kind", "expected"), TYPES.items())
def test_each_documented_type_becomes_its_own_event(kind: str, expected: type[Any]) -> None:
    parsed = parse(full(kind))
    assert type(parsed) is expected
    assert head(parsed) == Head(
        event_id=f"event-{kind}",
        type=kind,
        app_id="f918e2623486417791f3b5a18ca746ce",
        installation_id="5c1f0a9b",
        account_id="acc-1",
        created_at=NOON,
        account_name="acme",
        app_version="1.4",
        links=Links(
            "https://api.talkdeskapp.com",
            "https://acme.talkdeskid.com/oauth/token",
            "https://acme.talkdeskid.com/oauth/authorize",
        ),
    )


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.case(7, 57)
def test_every_member_may_be_anything_and_is_either_read_or_named(kind: str) -> None:
    for path in leaves(full(kind)):
        for value in (..., *WRONG):
            said = outcome(replaced(full(kind), path, value))
            assert not isinstance(said, str) or (CANARY not in said and len(said) < 200), path


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    ("path", "named"),
    [
        (("app_id",), "app_id"),
        (("data",), "data"),
        (("data", "installation_id"), "data.installation_id"),
        (("data", "account_id"), "data.account_id"),
    ],
)
def test_what_an_event_cannot_do_without_is_asked_for_by_name(kind: str, path: tuple[str, ...], named: str) -> None:
    for value in (..., *HARMLESS, CANARY * 100):
        assert problem(replaced(full(kind), path, value)).startswith(f"{named}")


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "path", [("id",), ("app_version_name",), ("created_at",), ("_links",), ("data", "account_name")]
)
def test_what_is_optional_may_be_anything_harmless(kind: str, path: tuple[str, ...]) -> None:
    for value in (..., *HARMLESS):
        body = replaced(full(kind) | {"event_id": "given"}, path, value)
        assert type(parse(body)) is TYPES[kind]


@pytest.mark.parametrize("member", ["root", "tokens", "authorization"])
@pytest.mark.parametrize("value", [None, 7, [], {}, {"href": None}, {"href": 7}, {"href": ""}, ""])
def test_a_link_that_is_none_is_left_out(member: str, value: Any) -> None:
    parsed = parse(installed(_links=links() | {member: value}))
    assert getattr(head(parsed).links, member) is None


def test_a_link_may_be_a_plain_text() -> None:
    assert head(parse(installed(_links={"root": "https://api.talkdeskapp.com"}))).links.root is not None


def test_an_event_is_known_by_event_id_before_id() -> None:
    assert head(parse(installed(event_id="better"))).event_id == "better"
    assert head(parse(without(installed(event_id="only"), "id"))).event_id == "only"


def test_an_event_without_id_can_not_be_answered() -> None:
    assert problem(without(installed(), "id")) == "the event has no id"
    assert problem(installed(id=CANARY * 20)) == "id: longer than 128 characters"


def test_the_type_may_be_called_event_type() -> None:
    assert isinstance(parse(without(uninstalled(event_type="app.uninstalled"), "type")), AppUninstalled)


@pytest.mark.parametrize("body", [None, 7, "x", [], [CANARY], True])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    assert problem(body) == "the body is not a JSON object"


@pytest.mark.parametrize("kind", [..., *HARMLESS])
def test_an_event_without_type_is_refused(kind: Any) -> None:
    assert problem(replaced(installed(), ("type",), kind)) == "the event has no type"


@pytest.mark.case(8)
def test_an_unknown_type_is_kept_as_unknown_with_bounded_words() -> None:
    assert parse({"type": "app.renamed", "event_id": "e1"}) == UnknownEvent("app.renamed", "e1")
    assert parse({"type": "app.renamed", "id": "e2"}) == UnknownEvent("app.renamed", "e2")
    assert parse({"type": "app.renamed", "id": 7}) == UnknownEvent("app.renamed", "")
    huge = parse({"type": "x" * 9000, "id": "y" * 9000})
    assert (len(huge.type), len(huge.event_id)) == (128, 128)


@pytest.mark.case(8)
@pytest.mark.parametrize("kind", TYPES)
def test_unknown_members_and_versions_change_nothing(kind: str) -> None:
    body = full(kind)
    odd = body | {
        "api_version": "99",
        "new": {"a": [1]},
        "data": body["data"] | {"users_added": [{"id": 1}], "x": None},
    }
    assert parse(odd) == parse(body)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00.000+00:00",
        "2026-03-01T14:00:00+02:00",
        "2026-03-01T12:00:00",
        "20260301T120000Z",
    ],
)
def test_both_documented_time_formats_and_their_like_are_read(text: str) -> None:
    assert head(parse(installed(created_at=text))).created_at == NOON


@pytest.mark.case(35)
@pytest.mark.parametrize(
    "text", [None, 7, "", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_a_time_that_is_none_counts_as_the_time_of_receipt(text: Any) -> None:
    assert head(parse(installed(created_at=text))).created_at == NOW


@pytest.mark.case(35)
def test_a_time_is_believed_five_minutes_into_the_future_and_no_further() -> None:
    near, far = NOW + timedelta(minutes=5), NOW + timedelta(minutes=5, seconds=1)
    assert head(parse(installed(created_at=near.isoformat()))).created_at == near
    assert head(parse(installed(created_at=far.isoformat()))).created_at == NOW
    assert head(parse(installed(created_at="9999-12-31T23:59:59Z"))).created_at == NOW


@pytest.mark.case(3)
def test_a_time_of_long_ago_is_believed_as_it_orders_a_replay_behind_what_is_newer() -> None:
    assert head(parse(installed(created_at="2019-01-01T00:00:00Z"))).created_at == datetime(2019, 1, 1, tzinfo=UTC)


def test_the_name_of_the_version_goes_before_its_id() -> None:
    assert head(parse(installed(app_version_id="v-7"))).app_version == "1.4"
    assert head(parse(installed(app_version_name=None, app_version_id="v-7"))).app_version == "v-7"
    assert head(parse(installed(app_version_name="x" * 500))).app_version == "x" * 128


@pytest.mark.case(57)
def test_an_account_may_have_any_name_and_a_long_one_is_cut() -> None:
    name = 'Zürich "🚀" ${account.id}\n'
    assert head(parse(installed({"account_name": name}))).account_name == name
    assert head(parse(installed({"account_name": "x" * 900}))).account_name == "x" * 512
    assert head(parse(installed({"account_name": None}))).account_name is None


def credentials(body: dict[str, Any]) -> CredentialsSet:
    parsed = parse(body)
    assert isinstance(parsed, AppInstalled | CredentialsRotated)
    return parsed.credentials


@pytest.mark.parametrize("make", [installed, rotated])
def test_credentials_come_as_they_are(make: Callable[..., dict[str, Any]]) -> None:
    assert credentials(make(mark="1")).material() == material("1")


@pytest.mark.parametrize("member", ["client_secret", "private_key"])
@pytest.mark.parametrize("value", [..., None, "", 7, [CANARY]])
def test_one_of_secret_and_key_is_enough(member: str, value: Any) -> None:
    assert credentials(replaced(installed(), ("data", member), value)).material()[member] == ""


def test_without_secret_and_key_there_are_no_credentials() -> None:
    body = installed({"client_secret": None, "private_key": ""})
    assert problem(body) == "data: neither client_secret nor private_key is there"


@pytest.mark.parametrize("member", ["public_key", "key_id", "key_algorithm"])
@pytest.mark.parametrize("value", [..., None, 7, [CANARY]])
def test_what_else_comes_with_credentials_is_no_reason_to_lose_them(member: str, value: Any) -> None:
    assert credentials(replaced(installed(), ("data", member), value)).material()[member] == ""


@pytest.mark.parametrize(
    "member", ["client_id", "client_secret", "private_key", "public_key", "key_id", "key_algorithm"]
)
def test_huge_credentials_are_refused_by_name_and_not_shown(member: str) -> None:
    assert problem(installed({member: CANARY * 4000})).startswith(f"{member}: ")


@pytest.mark.parametrize("member", ["client_id", "client_secret", "private_key", "public_key", "key_id"])
def test_credentials_that_nobody_can_write_down_are_refused_by_name(member: str) -> None:
    assert problem(installed({member: f"{CANARY}\ud800"})).startswith(f"{member}: ")
    assert credentials(installed({member: "Ünï🚀"})).material()[member] == "Ünï🚀"


@pytest.mark.case(61)
def test_no_representation_of_an_event_shows_its_secrets() -> None:
    parsed = parse(installed({"client_secret": CANARY, "private_key": CANARY}))
    for text in (repr(parsed), str(parsed), f"{parsed}"):
        assert CANARY not in text


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ({"type": "other", "message": "moved on"}, "other: moved on"),
        ({"type": "other"}, "other"),
        ({"message": "moved on"}, "moved on"),
        ({"type": 7, "message": []}, None),
        ({}, None),
        ("just so", "just so"),
        ("", None),
        (None, None),
        (7, None),
        (["a"], None),
        ("x" * 5000, "x" * 1024),
        ("a\ud800b", "a?b"),
    ],
)
def test_the_reason_of_an_uninstall_is_words_whatever_its_form(reason: Any, text: str | None) -> None:
    parsed = parse(uninstalled({"reason": reason}))
    assert isinstance(parsed, AppUninstalled)
    assert parsed.reason == text


def delta(data: dict[str, Any]) -> Delta:
    parsed = parse(event("app.updated", data))
    assert isinstance(parsed, AppUpdated)
    return parsed.delta


def adding(**members: Any) -> dict[str, Any]:
    return {"subscription": {"adding": members}}


@pytest.mark.case(18)
def test_an_update_tells_how_much_it_changes_and_no_user() -> None:
    parsed = parse(full("app.updated"))
    assert parsed.delta == Delta(users_added=2, users_removed=1, plan="Pro", licenses=10)
    assert "u1" not in repr(parsed)
    assert delta({}) == Delta()


@pytest.mark.parametrize("users", [..., *WRONG, {"adding": None}, {"adding": 7, "removing": "u"}, {"adding": {"a": 1}}])
def test_users_that_can_not_be_counted_are_none(users: Any) -> None:
    found = delta({} if users is ... else {"users": users})
    assert (found.users_added, found.users_removed) == (0, 0)


@pytest.mark.parametrize("subscription", [*WRONG, {"adding": None}, {"adding": [7]}, {"removing": {"name": "Pro"}}])
def test_a_subscription_that_can_not_be_read_changes_nothing(subscription: Any) -> None:
    assert delta({"subscription": subscription}) == Delta()


@pytest.mark.parametrize(
    ("licenses", "number"), [("10", 10), (10, 10), ("0", 0), ("007", 7), (999_999_999, 999_999_999)]
)
def test_licenses_are_a_number_or_its_digits(licenses: Any, number: int) -> None:
    assert delta(adding(licenses=licenses)).licenses == number


@pytest.mark.parametrize(
    "licenses", [None, True, 7.5, "", "ten", "-1", -1, "1e3", " 1", "²", "\u0661", 10**9, "9" * 5000, [], {}]
)
def test_licenses_that_are_no_sensible_number_are_left_out(licenses: Any) -> None:
    assert delta(adding(licenses=licenses)).licenses is None


@pytest.mark.case(57)
@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("Pro", "Pro"),
        ("  Pro\r\n\tPlus\0 ", "Pro Plus"),
        ("\u202eorP\u2066", "orP"),
        ("a\u2028b\u2029c\x85d\ufeff", "a b c d"),
        ("\ud800", None),
        ("🚀 ${x}", "🚀 ${x}"),
        ("x" * 59 + " y", "x" * 59),
        ("x" * 5000, "x" * 60),
        *((wrong, None) for wrong in ("", " ", None, 7, ["Pro"], {"name": "Pro"})),
    ],
)
def test_the_name_of_a_plan_is_one_printable_line(name: Any, plan: str | None) -> None:
    assert delta(adding(name=name)).plan == plan


def test_an_uninstall_brings_no_credentials_and_needs_none() -> None:
    assert isinstance(parse(without(uninstalled(), "data", "reason")), AppUninstalled)


@pytest.mark.parametrize("kind", ["app.trial_started", "app.trial_extended", "app.trial_ended"])
@pytest.mark.parametrize("value", [..., None, 7, "soon", []])
def test_a_trial_may_have_no_end_that_can_be_read(kind: str, value: Any) -> None:
    assert parse(replaced(full(kind), ("data", "expires_at"), value)).expires_at is None


def test_a_trial_ends_when_and_why_the_event_says() -> None:
    parsed = parse(full("app.trial_ended"))
    assert parsed.expires_at == datetime(2026, 4, 1, tzinfo=UTC)
    assert parsed.ended_reason == "trial_expired"
    assert parse(event("app.trial_ended", {"ended_reason": "x" * 500})).ended_reason == "x" * 128
    assert parse(event("app.trial_ended", {"ended_reason": 7})).ended_reason is None


@given(JSON)
def test_any_json_is_read_or_refused_in_words_that_hold_nothing_of_it(body: object) -> None:
    said = outcome(body)
    assert not isinstance(said, str) or CANARY not in said


@given(st.sampled_from(list(TYPES)), st.data())
def test_any_member_of_an_event_may_be_any_json(kind: str, data: st.DataObject) -> None:
    body = full(kind)
    for path in data.draw(st.lists(st.sampled_from(leaves(body)), max_size=3)):
        body = replaced(body, path, data.draw(JSON))
    said = outcome(body)
    assert not isinstance(said, str) or CANARY not in said
    if not isinstance(said, str | UnknownEvent):
        json.dumps(head(said).account_name, ensure_ascii=False).encode()


@pytest.mark.case(86)
@pytest.mark.parametrize("path", [("app_id",), ("data", "installation_id"), ("data", "account_id")])
def test_an_id_that_holds_what_could_not_be_read_would_be_another_one_and_is_refused(path: tuple[str, ...]) -> None:
    assert path[-1] in problem(replaced(installed(), path, "a\ufffdb"))
