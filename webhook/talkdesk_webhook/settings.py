"""Settings of the webhook, from command-line flags, or environment variables that begin with TALKDESK_WEBHOOK_.

Belongs here: names, defaults and bounds. Does not belong here: anything about one app, which is in its TalkdeskApp.
"""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from talkdesk_runtime.settings import DurationSetting, Port, ProcessSettings

__all__ = ["PREFIX", "Settings"]

PREFIX: Final = "TALKDESK_WEBHOOK_"


class Settings(ProcessSettings):
    """Receives Talkdesk's lifecycle events and stores them as TalkdeskInstallations."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, cli_prog_name="talkdesk-webhook")

    host: str = "0.0.0.0"
    """Address to listen on."""
    port: Port = 8080
    """Port to listen on; 0 takes a free one, which the log names."""
    max_in_flight: Annotated[int, Field(ge=1, le=10000)] = 256
    """Deliveries handled at once; above, 503. Bounds memory together with `max_body_bytes`."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 256 * 1024
    """Largest body of an event, in bytes; real ones have a few thousand."""
    body_timeout: DurationSetting = timedelta(seconds=3)
    """Longest time for a body to arrive; then 408."""
    request_timeout: DurationSetting = timedelta(seconds=5)
    """Longest time from a delivery's headers to its response; then 503, whatever happens."""
    kubernetes_timeout: DurationSetting = timedelta(seconds=4)
    """Longest time for one request to the Kubernetes API."""
    app_refresh_interval: DurationSetting = timedelta(seconds=10)
    """How long a TalkdeskApp, or the Secret that its logouts are signed with, is used before it is read again."""
    max_logouts_in_flight: Annotated[int, Field(ge=1, le=10000)] = 16
    """Logouts that are forwarded at once for each app; above, 503. A small part of `max_in_flight`, so that a silent
    endpoint can't delay installations."""
    signing_key_timeout: DurationSetting = timedelta(seconds=2)
    """Longest time for each step of fetching a signing key: connecting, and each read."""
    signing_key_refresh_interval: DurationSetting = timedelta(minutes=10)
    """How long a signing key is used before it is fetched again."""
    signing_key_max_age: DurationSetting = timedelta(hours=24)
    """How long a signing key is used while it can't be fetched again."""
    signing_key_negative_ttl: DurationSetting = timedelta(minutes=1)
    """How long a key id that Talkdesk does not know is refused before Talkdesk is asked for it again."""
    keepalive_timeout: DurationSetting = timedelta(seconds=75)
    """Idle connections are closed after that, in whole seconds; longer than the proxy in front keeps them."""
    shutdown_timeout: DurationSetting = timedelta(seconds=10)
    """Time for running deliveries to end after SIGTERM, in whole seconds."""
