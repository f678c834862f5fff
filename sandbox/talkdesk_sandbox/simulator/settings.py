"""Settings: how the simulated Talkdesk is reached, and how it behaves where Talkdesk's pages leave a choice.

Belongs here: names, defaults and meaning of every setting. Does not belong here: their effects.

`Behavior` may be changed while the simulator runs (`PATCH /_control/settings`); `Settings` is fixed at the start
and also read from the environment (`TALKDESK_SIMULATOR_PORT`, `TALKDESK_SIMULATOR_BEHAVIOR__TOKEN_LIFETIME`, ...).
"""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from talkdesk_sandbox.simulator.durations import Duration

KeyAlgorithm = Literal["ES256", "ES384", "ES512", "PS256", "PS384", "PS512"]
Curve = Literal["P-256", "P-384", "P-521"]
FailedState = Literal["rejected", "timeout", "suspended"]

DEFAULT_APP_ID = "f0e1d2c3b4a5968778695a4b3c2d1e0f"
DEFAULT_SCOPES = ("apps:read", "apps:write", "account:read", "users:read", "events:read", "openid")


class Behavior(BaseModel):
    """What Talkdesk does where its documentation is silent, ambiguous or contradictory, and its time limits."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    # Events and their signatures.
    signature_form: Literal["der", "raw"] = "der"
    """ECDSA signature as a DER SEQUENCE, or as r and s concatenated at the curve's width. Unknown."""
    signature_key_form: Literal["spki", "pem", "sec1"] = "spki"
    """What is inside the base64 of the signature key: SPKI DER, PEM text, or an uncompressed point. Unknown."""
    signature_curve: Curve = "P-256"
    """Curve of event signing keys. Unknown. A change makes a new signing key."""
    signing_key_grace: Duration = timedelta(days=1)
    """How long a replaced signing key is still served. Unknown."""
    timestamp_form: Literal["seconds", "milliseconds", "random"] = "seconds"
    """`2016-06-14T16:23:07Z`, `2017-08-18T10:29:52.000+00:00`, or one of them at random: the examples have both."""
    event_id_field: bool = False
    """Adds `event_id` to events: it is in one table of the documentation and in no example."""
    type_field: Literal["type", "event_type"] = "type"
    """Name of the field with the event's type; only third-party material has `event_type`."""
    uninstall_reason_form: Literal["object", "string", "null", "absent"] = "object"
    """Form of `data.reason` in app.uninstalled: a string by the table, an object by the example."""
    rotated_event_links: bool = False
    """Whether app.credentials_rotated has `_links.tokens` and `_links.authorization`. Unknown."""
    rotated_event_key_algorithm: bool = True
    """Whether app.credentials_rotated has `key_algorithm`. Expected, not seen."""
    event_reread: Literal["full", "redacted", "absent"] = "redacted"
    """`GET /apps/{id}/events/{id}`: with the secrets, without them, or no such route (404). Conflicting sources."""

    # Delivery.
    retry_delays: tuple[Duration, ...] = (timedelta(minutes=5), timedelta(minutes=10))
    """Delays before the second and the third attempt to deliver. After the last failure the event is lost."""
    retry_from: Literal["previous", "first"] = "previous"
    """Whether retry delays count from the previous or from the first attempt. Ambiguous."""
    delivery_timeout: Duration = timedelta(seconds=5)
    """How long a receiver may take to answer. Unknown."""
    follow_redirects: bool = False
    """Whether deliveries follow redirects. Unknown."""

    # Credentials and tokens.
    key_algorithm: KeyAlgorithm = "ES256"
    """Algorithm of new installations' keys."""
    private_key_form: Literal["pkcs8", "sec1"] = "pkcs8"
    """PKCS#8, or the older SEC1 (PKCS#1 for RSA keys) that an old sample of Talkdesk's has."""
    private_key_armor: Literal["none", "pem"] = "none"
    """Base64 on one line, or PEM."""
    token_lifetime: Duration = timedelta(minutes=10)
    """Lifetime of access tokens by the simulator's clock."""
    assertion_lifetime: Duration = timedelta(minutes=10)
    """Longest time from now to a client assertion's `exp`, by real time. Samples use five minutes."""
    assertion_leeway: Duration = timedelta(seconds=30)
    """Clock skew allowed in a client assertion's times."""
    scope_propagation: Duration = timedelta()
    """How long a scope that was added to an app is refused with 401. "Some minutes" by the documentation."""
    rotation_grace: Duration = timedelta(days=7)
    """How long previous credential versions still work after a routine rotation that is not acknowledged."""
    acknowledge_client: Literal["new", "old", "either"] = "new"
    """Which version's client id belongs in the path of the acknowledgment. Not documented."""
    rotate_status: Literal[200, 202, 204] = 202
    """Status for `POST .../credentials/actions/rotate`. Not documented."""
    after_uninstall_status: Literal[200, 401, 403, 404] = 401
    """Status for calls with an uninstalled installation's token; with 200 its credentials still work. Unknown."""
    credentials_die_when: frozenset[FailedState] = frozenset()
    """States, in addition to an uninstalled one, in which an installation's credentials do not work. Unknown."""

    # Single sign-on.
    login_password: str = "talkdesk"  # noqa: S105 - no secret
    """The password of every user of every account."""
    login_lifetime: Duration = timedelta(hours=8)
    """How long a user's session at Talkdesk lasts. Unknown."""
    code_lifetime: Duration = timedelta(minutes=1)
    """How long an authorization code can be exchanged. Unknown."""
    redirect_uri_check: Literal["exact", "wildcard", "unchecked"] = "exact"
    """Which redirect URIs are taken: those of the app, those with `*` for a label of the host, too, or any. Unknown."""
    pkce: Literal["optional", "required", "ignored"] = "optional"
    """What is done with a code challenge, of which only S256 is known. Unknown."""
    id_token: Literal["openid", "never"] = "openid"  # noqa: S105 - no secret
    """Whether an exchanged code gives an ID token, when the scope openid was asked for."""
    id_token_algorithm: Literal["RS256", "ES256"] = "RS256"  # noqa: S105 - no secret
    """Algorithm of ID tokens. Unknown."""
    id_token_issuer: Literal["origin", "identity"] = "origin"  # noqa: S105 - no secret
    """`iss` of ID tokens: scheme and host of the authorization URL, or with the account's path. Unknown.

    With an identity domain both are the same."""
    id_token_claims: Literal["all", "minimal"] = "all"  # noqa: S105 - no secret
    """Whether ID tokens have name and email, which the userinfo always has. Unknown."""
    id_token_auth_time: bool = False
    """Whether ID tokens have `auth_time`, the time of the login. Unknown."""
    subject: Literal["user_id", "opaque"] = "user_id"
    """`sub` of a user: the id that the Users API has, or another one. Unknown."""
    refresh_token: Literal["asked", "always", "never"] = "asked"  # noqa: S105 - no secret
    """Whether an exchanged code gives a refresh token: when the scope refresh_token was asked for, or else. Unknown."""
    discovery: bool = False
    """Whether there is /.well-known/openid-configuration. Not documented."""

    # Lifecycle.
    answer_within: Duration = timedelta(days=7)
    """Time to answer an install, update or uninstall."""
    wrong_state_status: Literal[200, 403, 404, 409] = 403
    """Status for `POST .../state` when nothing is pending. 403 and 404 are documented, 409 only for credentials."""
    state_echo: Literal["verb", "resulting"] = "verb"
    """What `state` is in the response to an accepted `POST .../state`. Unknown."""
    updating_state: Literal["pending", "updating", "completed"] = "pending"
    """Name of an installation's state while an update is pending; `completed` does not show it. Conflicting sources."""
    uninstalling_state: Literal["pending", "uninstalling", "completed"] = "pending"
    """Name of an installation's state while an uninstall is pending; `completed` hides it. Conflicting sources."""
    uninstalled_state: Literal["revoked", "uninstalled"] = "revoked"
    """Name of an installation's state after its uninstall. Conflicting sources."""
    update_rejected_state: Literal["completed", "rejected"] = "completed"
    """State after a rejected update. Not documented; the previous plan and users stay in either case."""
    update_timeout_state: Literal["completed", "timeout"] = "completed"
    """State after an update without an answer. Not documented; the previous plan and users stay in either case."""
    reject_uninstall: Literal["keep", "refuse"] = "keep"
    """Effect of `reject` on an uninstall: back to completed, or refused as in a wrong state. Unknown."""
    uninstall_after_failed_install: bool = False
    """Whether app.uninstalled follows an install that was rejected or timed out. Unknown."""
    reinstall_same_id: bool = False
    """Whether a reinstall has the same installation id as before. Unknown."""
    trial_length: Duration = timedelta(days=30)
    """Length of a trial."""

    # API answers.
    error_shape: Literal["documented", "standard", "legacy"] = "documented"
    """Error bodies: as documented for each route, `{code, message, ...}` everywhere, or `{"error"}` everywhere."""
    page_size: int = Field(50, ge=1, le=1000)
    """Users per page when the request does not say."""
    paging: Literal["page", "cursor"] = "page"
    """Form of `_links.next`: page numbers, or an opaque cursor because "other forms may appear"."""


class Settings(BaseSettings):
    """How the simulator is reached and what it starts with."""

    model_config = SettingsConfigDict(
        env_prefix="TALKDESK_SIMULATOR_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )

    host: str = "127.0.0.1"
    """Address to listen on. The default is loopback because the control API has no password."""
    port: int = Field(0, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    public_url: str | None = None
    """Base URL that events name in `_links.root`, without a trailing slash; by default where it listens."""
    id_domain: str | None = None
    """Identity domain, with the port if there is one: `_links.tokens` becomes `{scheme}://{account}.{id_domain}/oauth/token`."""
    callback_url: str | None = None
    """Where events go; `{app_id}` is replaced. None keeps events without sending until an app has its own callback."""
    tls_cert: Path | None = None
    """PEM certificate chain; with `tls_key` the simulator speaks HTTPS."""
    tls_key: Path | None = None
    """PEM private key of `tls_cert`."""
    callback_ca: Path | None = None
    """PEM bundle to trust when the callback's certificate is from a private authority."""
    clock_offset: Duration = timedelta()
    """Difference between the simulator's clock at its start and real time; may be negative."""
    seed: int = 0
    """Seed of everything random: faults with a probability, random timestamp forms."""
    delivery_concurrency: int = Field(128, ge=1)
    """How many deliveries may run at the same time."""
    behavior: Behavior = Behavior()
    """See `Behavior`."""
