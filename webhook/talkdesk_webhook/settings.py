"""Settings of the webhook, from command-line flags, or environment variables that begin with TALKDESK_WEBHOOK_.

Belongs here: names, defaults and bounds. Does not belong here: anything about one app, which is in its TalkdeskApp.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from talkdesk_crds.fields import LabelName
from talkdesk_runtime.listener import EVERYWHERE
from talkdesk_runtime.settings import (
    Address,
    DelaySetting,
    DurationSetting,
    NetworksSetting,
    Port,
    ProcessSettings,
    names_of,
)

__all__ = ["PREFIX", "Settings"]

PREFIX: Final = "TALKDESK_WEBHOOK_"
_PATH_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*")


def _checked_prefix(prefix: str) -> str:
    if len(prefix) > 200 or _PATH_PREFIX.fullmatch(prefix) is None or {".", ".."} & set(prefix.split("/")):
        raise ValueError(
            "a path like /talkdesk: it begins with a slash, does not end with one, and has only letters, digits and"
            " . _ ~ - between slashes"
        )
    return prefix


class Settings(ProcessSettings):
    """Receives Talkdesk's lifecycle events and stores them as TalkdeskInstallations."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, cli_prog_name="talkdesk-webhook")

    namespaces: Annotated[tuple[LabelName, ...], NoDecode, BeforeValidator(names_of)] = ()
    """Namespaces with apps to take events for, separated by commas; none for the whole cluster."""
    host: Address = EVERYWHERE
    """Address to listen on; :: is every address of IPv6 and IPv4, or of IPv4 alone where there is no IPv6."""
    port: Port = 8080
    """Port to listen on; 0 takes a free one, which the log names."""
    path_prefix: Annotated[str, AfterValidator(_checked_prefix)] = ""
    """Path that a proxy in front leaves before /events, like /talkdesk: events come to /talkdesk/events/NAMESPACE/APP
    then, and to no other path."""
    tls_cert_file: Path | None = None
    """Certificate (PEM, with its chain) to serve https with; loaded again when it is renewed. Without it, plain http:
    TLS ends at the proxy in front."""
    tls_key_file: Path | None = None
    """Key (PEM, without a password) of that certificate."""
    allowed_sources: NetworksSetting = ()
    """Networks that may connect, separated by commas; none for all. Compared with the address of the TCP connection
    alone, which behind a proxy is the proxy's: have the proxy filter there. Others get 403 (with TLS: no handshake)."""
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Connections at once. Above, the one that has waited longest for head or body of a request is closed; if there is
    none, 503."""
    max_connections_per_source: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Connections at once from one address, or one /64 of IPv6; above, 429. Without it, no limit: behind a proxy, all
    come from a few addresses."""
    max_requests_per_connection: Annotated[int, Field(ge=1)] = 1000
    """Requests until a response closes its connection, so that connections spread over replicas anew."""
    max_header_bytes: Annotated[int, Field(ge=1024, le=1024 * 1024)] = 64 * 1024
    """Largest head of a request, in bytes, trailers and the framing of chunks included; above, 431."""
    header_timeout: DurationSetting = timedelta(seconds=10)
    """Longest time for a request's head to arrive, and for a TLS handshake; then 408."""
    max_in_flight: Annotated[int, Field(ge=1, le=10000)] = 256
    """Deliveries handled at once, from the last byte of the body; above, 503. Bounds memory together with
    `max_body_bytes`: bodies that still arrive may take a quarter of the product; beyond, the first is cut off."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 256 * 1024
    """Largest body of an event, in bytes; real ones have a few thousand."""
    body_timeout: DurationSetting = timedelta(seconds=3)
    """Longest time for a body to arrive; then 408."""
    request_timeout: DurationSetting = timedelta(seconds=5)
    """Longest time from a delivery's headers to its response; then 503, whatever happens."""
    kubernetes_timeout: DurationSetting = timedelta(seconds=4)
    """Longest time for one request to the Kubernetes API."""
    app_refresh_interval: DurationSetting = timedelta(seconds=10)
    """How long the Secret that an app's logouts are signed with is used before it is read again; and an app, while no
    watch of apps is alive."""
    max_logouts_in_flight: Annotated[int, Field(ge=1, le=10000)] = 16
    """Logouts that are forwarded at once for each app; above, 503. A small part of `max_in_flight`, so that a silent
    endpoint can't delay installations."""
    signing_key_timeout: DurationSetting = timedelta(seconds=2)
    """Longest time for each step of fetching a signing key: connecting, and each read."""
    signing_key_refresh_interval: DurationSetting = timedelta(minutes=10)
    """How long a signing key is used before it is fetched again; one that signed events lately is fetched sooner."""
    signing_key_max_age: DurationSetting = timedelta(hours=24)
    """How long a signing key is used while it can't be fetched again."""
    signing_key_negative_ttl: DurationSetting = timedelta(minutes=1)
    """How long a key id that Talkdesk does not know is refused before Talkdesk is asked for it again."""
    keepalive_timeout: DurationSetting = timedelta(seconds=75)
    """Idle connections are closed after that, in whole seconds; longer than the proxy in front keeps them."""
    shutdown_delay: DelaySetting = timedelta(seconds=10)
    """How long deliveries are still taken after SIGTERM, while /readyz is 503 and each response closes its connection:
    time for load balancers to send elsewhere. SIGINT, or a second SIGTERM, cuts it short."""
    shutdown_timeout: DurationSetting = timedelta(seconds=10)
    """Time for running deliveries to end after that, in whole seconds."""

    @model_validator(mode="after")
    def _certificate_has_a_key(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file are given together, or neither")
        return self
