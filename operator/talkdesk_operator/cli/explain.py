"""The language of templates: every variable and function, with what it is and an example.

Belongs here: words and examples. Tests hold them against the variables and functions that there are, and evaluate each
example. Does not belong here: the variables' values (`domain.tenant.desired`), the functions (`templates.functions`).
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from talkdesk_crds.names import ANNOTATION_IGNORE_FIELDS, ANNOTATION_ON_REMOVE, ANNOTATION_RECREATE
from talkdesk_operator.templates.readiness import ALWAYS_READY, GENERAL_RULES, RULES

__all__ = [
    "ANNOTATIONS",
    "EXAMPLES",
    "FUNCTIONS",
    "OF_STEPS",
    "READINESS",
    "READY_WHEN",
    "VARIABLES",
    "Function",
    "Variable",
    "as_text",
]


class Variable(NamedTuple):
    """A member of a variable."""

    type: str
    """As CEL names it; with `?` where it is null while Talkdesk has not told."""
    what: str


class Function(NamedTuple):
    """A function, by an example."""

    example: str
    result: str
    """What the example comes to, as JSON."""
    what: str


VARIABLES: Final[dict[str, Variable]] = {
    "account.id": Variable("string", "Talkdesk's id of the customer's account"),
    "account.name": Variable("string?", "its unique name, the subdomain; the customer can change it"),
    "account.companyName": Variable("string?", "the company's name; any characters, any length up to 512"),
    "account.timezone": Variable("string?", "IANA time zone, such as Europe/Lisbon"),
    "app.id": Variable("string", "Talkdesk's id of the app"),
    "app.name": Variable("string", "name of the TalkdeskApp"),
    "app.namespace": Variable("string", "namespace of the TalkdeskApp"),
    "app.region": Variable("string?", "the app's region; null where `endpoints` says the hosts"),
    "credentials.apiUrl": Variable("string", "base URL of Talkdesk's API; only in a Secret, as all credentials"),
    "credentials.clientId": Variable("string", "OAuth client id"),
    "credentials.clientSecret": Variable("string", "OAuth client secret; may be empty with private_key_jwt"),
    "credentials.keyAlgorithm": Variable("string", "algorithm of the private key, such as ES256"),
    "credentials.keyId": Variable("string", "id of the private key"),
    "credentials.privateKey": Variable("string", "private key, as PEM or as bare base64"),
    "credentials.tokenUrl": Variable("string", "the account's OAuth token URL"),
    "installation.appVersion": Variable("string?", "version of the app that the customer installed"),
    "installation.createdBy": Variable("string?", "Talkdesk's id of the user who installed it"),
    "installation.id": Variable("string", "Talkdesk's id of the installation"),
    "installation.name": Variable("string", "name of the TalkdeskInstallation"),
    "sso.authorizationUrl": Variable("string?", "the account's OAuth authorize URL"),
    "sso.clientId": Variable("string?", "OAuth client id, which is no secret"),
    "sso.issuer": Variable("string?", "origin of the URLs above; what ID tokens name is not documented"),
    "sso.jwksUrl": Variable("string?", "where the keys of ID tokens are: `certs` beside the authorize URL"),
    "sso.scopes": Variable("list", "openid, and the scopes of the app"),
    "sso.tokenUrl": Variable("string?", "the account's OAuth token URL"),
    "sso.userinfoUrl": Variable("string?", "what tells `sub`, `name` and `email` of a user by their access token"),
    "subscription.licenses": Variable("int?", "number of licenses"),
    "subscription.name": Variable("string?", "name of the plan"),
    "subscription.type": Variable("string?", "trial or paid"),
    "tenant.name": Variable("string", "the tenant's name, a DNS label; not in `tenant.name` of the app itself"),
    "tenant.state": Variable("string", "Active, Suspended or Offboarded"),
    "tenant.suspended": Variable("bool", "whether the customer may not use the app for now"),
    "tenant.values": Variable("map", "`values` of the app, those of the TalkdeskTenant before them"),
    "trial.expirationTime": Variable("string?", "when the trial ends, RFC 3339"),
    "trial.state": Variable("string?", "Started, Extended or Ended"),
}
"""What a template knows. `has(x.y)` is false for what is null, and null can't be part of a text."""

OF_STEPS: Final = {
    "item": Variable("any", "the element of the step's `forEach`; only in the manifests of such a step"),
    "outputs.STEP.NAME": Variable("any", "what the service of an earlier `http` step answers; not in names of objects"),
    "outputs.STEP.secrets.NAME": Variable("string", "a secret that it answers; only in a Secret"),
}
"""What only some steps know."""

FUNCTIONS: Final[dict[str, Function]] = {
    "base64.decode": Function("string(base64.decode('aGk='))", '"hi"', "bytes of base64"),
    "base64.encode": Function(
        "base64.encode(bytes('hi'))", '"aGk="', "base64 of bytes, as `data` of a Secret needs it"
    ),
    "bool": Function("bool('true')", "true", "bool of a text"),
    "bytes": Function("size(bytes('hi'))", "2", "a text as UTF-8"),
    "charAt": Function("'hello'.charAt(1)", '"e"', "one character"),
    "contains": Function("'hello'.contains('ell')", "true", "whether a text is in it"),
    "distinct": Function("[1, 2, 2].distinct()", "[1, 2]", "each element once"),
    "dnsLabel": Function(
        "dnsLabel('td-Zoë & Co')", '"td-zo-co-d43f7710ec"', "a DNS label for any text, different for different texts"
    ),
    "double": Function("double('1.5')", "1.5", "number with a fraction"),
    "duration": Function("duration('90s') > duration('1m')", "true", "length of time"),
    "dyn": Function("dyn(1) == 1", "true", "a value of a type that is not checked before"),
    "endsWith": Function("'hello'.endsWith('lo')", "true", "whether a text ends so"),
    "flatten": Function("[[1], [2, 3]].flatten()", "[1, 2, 3]", "the elements of lists in a list"),
    "getDate": Function("timestamp('2026-01-05T09:00:00Z').getDate()", "5", "day of the month, from 1"),
    "getDayOfMonth": Function("timestamp('2026-01-05T09:00:00Z').getDayOfMonth()", "4", "day of the month, from 0"),
    "getDayOfWeek": Function("timestamp('2026-01-05T09:00:00Z').getDayOfWeek()", "1", "day of the week, Sunday is 0"),
    "getDayOfYear": Function("timestamp('2026-01-05T09:00:00Z').getDayOfYear()", "4", "day of the year, from 0"),
    "getFullYear": Function("timestamp('2026-01-05T09:00:00Z').getFullYear()", "2026", "year"),
    "getHours": Function("timestamp('2026-01-05T09:30:00Z').getHours()", "9", "hour, in UTC"),
    "getMilliseconds": Function("timestamp('2026-01-05T09:00:00.5Z').getMilliseconds()", "500", "milliseconds"),
    "getMinutes": Function("timestamp('2026-01-05T09:30:00Z').getMinutes()", "30", "minute"),
    "getMonth": Function("timestamp('2026-01-05T09:00:00Z').getMonth()", "0", "month, January is 0"),
    "getSeconds": Function("timestamp('2026-01-05T09:00:07Z').getSeconds()", "7", "second"),
    "indexOf": Function("'hello'.indexOf('l')", "2", "where a text begins in it, -1 where it does not"),
    "int": Function("int('42')", "42", "whole number"),
    "join": Function("['a', 'b'].join('-')", '"a-b"', "texts as one"),
    "keys": Function("keys({'b': 1, 'a': 2})", '["a", "b"]', "names in a map, sorted"),
    "lastIndexOf": Function("'hello'.lastIndexOf('l')", "3", "where a text begins in it the last time"),
    "lowerAscii": Function("'Acme'.lowerAscii()", '"acme"', "A to Z as a to z"),
    "matches": Function("'acme'.matches('^[a-z]+$')", "true", "whether a regular expression (RE2) is in it"),
    "math.abs": Function("math.abs(-3)", "3", "number without its sign"),
    "math.ceil": Function("math.ceil(1.2)", "2.0", "next whole number up"),
    "math.floor": Function("math.floor(1.8)", "1.0", "next whole number down"),
    "math.greatest": Function("math.greatest(1, 3, 2)", "3", "the greatest"),
    "math.least": Function("math.least(3, 1, 2)", "1", "the least"),
    "math.round": Function("math.round(1.6)", "2.0", "nearest whole number"),
    "math.sign": Function("math.sign(-3)", "-1", "-1, 0 or 1"),
    "math.trunc": Function("math.trunc(-1.8)", "-1.0", "number without its fraction"),
    "replace": Function("'a b'.replace(' ', '-')", '"a-b"', "text with another in the place of one"),
    "size": Function("size([1, 2])", "2", "how many elements; of a text, how many bytes of UTF-8"),
    "slice": Function("[1, 2, 3].slice(0, 2)", "[1, 2]", "a part of a list"),
    "sort": Function("[2, 1].sort()", "[1, 2]", "elements in order"),
    "split": Function("'a,b'.split(',')", '["a", "b"]', "parts of a text"),
    "startsWith": Function("'hello'.startsWith('he')", "true", "whether a text begins so"),
    "string": Function("string(42)", '"42"', "text of a number, bool, time or bytes"),
    "substring": Function("'hello'.substring(1, 3)", '"el"', "part of a text"),
    "timestamp": Function("timestamp('2026-01-05T09:00:00Z')", '"2026-01-05T09:00:00Z"', "time of a text"),
    "trim": Function("' a '.trim()", '"a"', "text without space around it"),
    "type": Function("type(1) == int", "true", "type of a value"),
    "uint": Function("uint(3) == uint('3')", "true", "whole number that is not negative"),
    "upperAscii": Function("'Acme'.upperAscii()", '"ACME"', "a to z as A to Z"),
}
"""What can be called, beside the operators, `has`, and the macros `all`, `exists`, `exists_one`, `filter` and `map`."""

EXAMPLES: Final[dict[str, str]] = {
    "a fact that may be null": "${account.companyName != null ? account.companyName : account.id}",
    "no pods while the customer is suspended": "${tenant.suspended ? 0 : 2}",
    "another value for a plan": "${subscription.name == 'Gold' ? 3 : 1}",
    "a value with a default in the app": "${tenant.values.memory}",
    "a name that Kubernetes takes": "${dnsLabel('td-' + app.namespace + '-' + account.id)}",
    "credentials, in `data` of a Secret": "${base64.encode(bytes(credentials.privateKey))}",
    "an object for each element of `forEach: tenant.values.queues`": "${dnsLabel('queue-' + item)}",
    "a list as one text": "${sso.scopes.join(' ')}",
}
"""What templates often need."""

ANNOTATIONS: Final[dict[str, str]] = {
    f"{ANNOTATION_IGNORE_FIELDS}: /spec/replicas": (
        "fields, as JSON Pointers with commas between them, that have the template's value when the object is made and "
        "are left to whoever changes them afterwards, such as an autoscaler; a change of the template reaches them "
        "only in objects that are made then"
    ),
    f"{ANNOTATION_ON_REMOVE}: Delete": (
        "Delete or Retain: what becomes of the object when it leaves the template; goes before `onRemove` of the step"
    ),
    f'{ANNOTATION_RECREATE}: "true"': (
        "the object is deleted and made anew when the template changes what can't be changed in one that exists: what "
        "is in it is lost"
    ),
}
"""What a manifest can say of its object."""

READY_WHEN: Final[dict[str, str]] = {
    "a custom resource has a state": "object.status.phase == 'Running'",
    "an Ingress, or a Service of type LoadBalancer, has an address": "size(object.status.loadBalancer.ingress) > 0",
    "a condition with a name of its own is True": (
        "object.status.conditions.exists(c, c.type == 'Synced' && c.status == 'True')"
    ),
}
"""What `readyWhen` often says. It counts for all objects of its step: one that needs another has its own step."""

READINESS: Final[dict[str, str]] = {
    **{f"{kind}.{group}" if group else kind: rule.when for (group, kind), rule in RULES.items()},
    ", ".join(sorted(kind for group, kind in ALWAYS_READY if ("", kind) not in RULES)): (
        "at once; they may be in a step with `readyWhen`, which is not asked of them"
    ),
}
"""When an object of each kind that has rules of its own is ready."""


def as_text() -> str:
    """Return all of it for a terminal."""
    parts = [
        "Any string of a template may hold ${ CEL }. A string that is one expression becomes its value, of any type.",
        _columns(
            "VARIABLES (? is null while Talkdesk has not told)",
            [(name, *each) for name, each in sorted({**VARIABLES, **OF_STEPS}.items())],
        ),
        _columns("FUNCTIONS", [(each.example, each.result, each.what) for each in FUNCTIONS.values()]),
        _columns("OFTEN NEEDED", list(EXAMPLES.items())),
        _columns("ANNOTATIONS OF A MANIFEST", list(ANNOTATIONS.items())),
        _columns("READY WHEN (without readyWhen of the step)", list(READINESS.items())),
        "\n".join(f"  {each}" for each in GENERAL_RULES),
        _columns("OFTEN NEEDED AS readyWhen", list(READY_WHEN.items())),
    ]
    return "\n".join(parts)


def _columns(title: str, rows: Sequence[Iterable[str]]) -> str:
    table = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in list(zip(*table, strict=True))[:-1]]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in table
    )
    return "\n".join([f"\n{title}", *(f"  {line}" for line in lines)]) + "\n"
