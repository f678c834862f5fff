"""Settings of the webhook, from environment variables that begin with TALKDESK_WEBHOOK_.

Belongs here: names, defaults and bounds. Does not belong here: anything about one app, which is in its TalkdeskApp.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from talkdesk_crds.fields import parse_duration
from talkdesk_runtime.logs import LogFormat

__all__ = ["PREFIX", "Settings"]

PREFIX: Final = "TALKDESK_WEBHOOK_"


def _span(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Span = Annotated[timedelta, BeforeValidator(_span), Field(gt=timedelta(), le=timedelta(days=30))]
"""Written like 90s, 10m or 1h30m."""


class Settings(BaseSettings):
    """Each field is one environment variable, in capitals and with the prefix; lengths of time as 90s, 10m or 1h30m."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        use_attribute_docstrings=True,
        frozen=True,
        validate_default=False,
    )

    host: str = "0.0.0.0"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port to listen on; 0 takes a free one, which the log names."""
    kubeconfig: Path | None = None
    """Kubeconfig file; without it, the pod's service account, else the default kubeconfig."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    log_format: LogFormat = LogFormat.JSON
    """json or console."""
    max_in_flight: Annotated[int, Field(ge=1, le=10000)] = 256
    """Deliveries taken at once; above, 503. Bounds memory together with max_body_bytes."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 256 * 1024
    """Largest body of an event, in bytes; real ones have a few thousand."""
    body_within: Span = timedelta(seconds=3)
    """Longest time for a body to arrive; then 408."""
    answer_within: Span = timedelta(seconds=5)
    """Longest time from a delivery's headers to its answer; then 503, whatever happens."""
    kubernetes_timeout: Span = timedelta(seconds=4)
    """Longest time for one request to the Kubernetes API."""
    gateway_timeout: Span = timedelta(seconds=2)
    """Longest time for each step of a key fetch: connecting, and each read."""
    app_refresh: Span = timedelta(seconds=10)
    """A TalkdeskApp, or the Secret that its logouts are signed with, is read again after that."""
    logouts_in_flight: Annotated[int, Field(ge=1, le=10000)] = 16
    """Logouts that are passed on at once for each app; above, 503. A small part of max_in_flight, so that a silent
    endpoint can't hold up installations."""
    key_refresh: Span = timedelta(minutes=10)
    """A signing key is fetched again after that."""
    key_keep: Span = timedelta(hours=24)
    """A signing key is used for that long while it can't be fetched again."""
    key_unknown: Span = timedelta(minutes=1)
    """An unknown key id is not asked for again within."""
    keep_alive: Span = timedelta(seconds=75)
    """Idle connections are closed after that, in whole seconds; longer than the proxy in front keeps them."""
    shutdown_within: Span = timedelta(seconds=10)
    """Time for running deliveries to end after SIGTERM, in whole seconds."""
