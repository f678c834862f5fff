"""Values that the API server takes, or an older schema did, and that are hard to bear: one table for all who read.

It takes no number beyond a float's range, no NaN, no leap second and no year of five digits.

Each is JSON as text, because Python itself can't write some of them; `PLACE` in an object stands for it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builders import raw_objects

PLACE = "@@value@@"


def nested(levels: int, kind: str = "map") -> str:
    begin, end = ('{"a":', "}") if kind == "map" else ("[", "]")
    return begin * levels + "1" + end * levels


ANY_VALUES = {
    "nested 90": nested(90),
    "nested 101": nested(101),
    "nested 255": nested(255),
    "nested 1100": nested(1100),
    "nested 9990": nested(9990),
    "lists 1100": nested(1100, "list"),
    "number 1e308": "1e308",
    "number 1e-400": "1e-400",
    "number 1e19": "10000000000000000000",
    "number 2^64-1": "18446744073709551615",
    "minus zero": "-0",
    "NUL": '"\\u0000"',
    "line separator": '"\\u2028"',
    "replacement": '"\\ufffd"',
    "right to left": '"\\u202e"',
    "long": json.dumps("x" * 1_000_000),
    "an expression": '"${"',
    "null": "null",
    "empty key": '{"": {"": 1}}',
    "odd keys": '{"\\u0000": 1, "a.b/c": 2, "${x}": 3}',
    "5000 entries": json.dumps({f"k{number}": number for number in range(5000)}),
}
"""For free-form places."""
ODD_URLS = {
    "open bracket": "http://[::1",
    "bracket": "https://a[b]c/",
    "zone": "https://[fe80::1%25eth0]/",
    "port 99999": "https://a.b:99999/",
    "port abc": "https://a.b:abc/",
    "NUL": "https://\u0000x",
    "percent": "https://ex%zz",
    "user": "https://user:pw@h/",
    "punycode": "https://xn--/",
    "emoji": "https://a/\U0001f600",
    "no host": "https:///x",
    "long label": "https://" + "a" * 400,
    "line": "https://a\u2028b/",
}
ODD_TIMES = (
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
    "2026-01-01t00:00:00z",
    "2026-01-01T00:00:00.123456789Z",
    "2026-01-01T00:00:00+24:00",
    "2026-01-01T00:00:00+23:59",
)
ODD_IDS = ("a" * 128, "../..", "\u0000", "\n", "\U0001f600", "%2e", "\u202e", "a b", "${account.id}", "{account}")
ODD_DURATIONS = ("999999d999999h999999m999999s", "0d", "999999d")


@dataclass(frozen=True)
class Odd:
    """One case: an odd value at a place of an object."""

    name: str
    kind: str
    path: str
    value: Any
    """What is put there; PLACE in it stands for `text`."""
    text: str
    """The odd value as JSON."""

    def at(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Return a copy of an object of the kind with the value in its place."""
        changed: dict[str, Any] = json.loads(json.dumps(raw))
        *parents, last = self.path.split(".")
        at: Any = changed
        for name in parents:
            at = at[int(name)] if isinstance(at, list) else at.setdefault(name, {})
        at[last] = self.value
        return changed

    def document(self) -> bytes:
        """Return a whole object, `odd`, as the API server would send it."""
        bases = {
            "TalkdeskApp": raw_objects.app("odd"),
            "TalkdeskInstallation": raw_objects.installation("odd", account="odd", finalizers=["example.com/hold"]),
            "TalkdeskTenant": raw_objects.tenant("sentiment-odd", account="odd"),
        }
        return self.as_json(self.at(bases[self.kind]))

    def as_json(self, raw: dict[str, Any]) -> bytes:
        return json.dumps(raw).replace(json.dumps(PLACE), self.text).encode()


def odd_values() -> Iterator[Odd]:
    """Yield all cases."""
    app, installation, tenant = "TalkdeskApp", "TalkdeskInstallation", "TalkdeskTenant"
    manifest = "spec.tenant.steps.0.manifests.0"
    for name, text in ANY_VALUES.items():
        for kind, path in (
            (app, "spec.tenant.values"),
            (app, f"{manifest}.data"),
            (app, f"{manifest}.metadata.labels"),
            (tenant, "spec.values"),
            (tenant, "spec.unknown"),
            (installation, "spec.unknown"),
            (installation, "metadata.managedFields"),
        ):
            yield Odd(f"{kind} {path} {name}", kind, path, PLACE, text)
        for kind, path in ((app, "spec.tenant.values"), (tenant, "spec.values"), (app, f"{manifest}.data")):
            yield Odd(f"{kind} {path}.x {name}", kind, path, {"x": PLACE}, text)
    for name, url in ODD_URLS.items():
        text = json.dumps(url)
        for field in ("api", "token", "authorization"):
            ends = {"api": "https://api.talkdeskapp.com", "token": "https://a.talkdeskid.com/oauth/token", field: PLACE}
            yield Odd(f"endpoints.{field} {name}", installation, "spec.endpoints", ends, text)
        yield Odd(f"app endpoints {name}", app, "spec.endpoints", {"api": PLACE, "token": PLACE}, text)
        scim = {"scim": {"url": PLACE, "tokenSecretRef": {"name": "k", "key": "token"}}}
        yield Odd(f"scim {name}", app, "spec.users", scim, text)
    for moment in ODD_TIMES:
        request, text = {"type": "Install", "eventId": "e1", "eventTime": PLACE}, json.dumps(moment)
        yield Odd(f"request at {moment}", installation, "spec.request", request, text)
        yield Odd(f"deadline {moment}", installation, "status.deadline", PLACE, text)
        yield Odd(f"deletion at {moment}", installation, "metadata.deletionTimestamp", PLACE, text)
        yield Odd(f"uninstalled at {moment}", tenant, "spec.uninstallTime", PLACE, text)
    for number, odd in enumerate(ODD_IDS):
        yield Odd(f"account id {number}", installation, "spec.accountId", PLACE, json.dumps(odd))
        yield Odd(f"installation id {number}", installation, "spec.installationId", PLACE, json.dumps(odd))
        yield Odd(f"tenant's account id {number}", tenant, "spec.accountId", PLACE, json.dumps(odd))
        yield Odd(f"account name {number}", installation, "spec.accountName", PLACE, json.dumps(odd))
        yield Odd(f"annotation {number}", installation, "metadata.annotations", {"a": PLACE}, json.dumps(odd))
    for odd in ODD_DURATIONS:
        yield Odd(f"resync {odd}", app, "spec.resyncPeriod", PLACE, json.dumps(odd))
        yield Odd(f"retention {odd}", app, "spec.retention", {"keepFor": PLACE}, json.dumps(odd))
