"""Settings: how the pretend service is reached, and what it can do.

Also read from the environment: `TALKDESK_SCIM_PORT`, `TALKDESK_SCIM_TOKEN`, `TALKDESK_SCIM_BULK`, …
"""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["ScimSettings"]


class ScimSettings(BaseSettings):
    """All of it is fixed at the start."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, env_prefix="TALKDESK_SCIM_"
    )

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(0, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    token: SecretStr = SecretStr("scim-token")
    """The bearer token that callers must have."""
    config: bool = True
    """Serve /ServiceProviderConfig; many services do not."""
    patch: bool = True
    """Take PATCH."""
    bulk: bool = True
    """Take bulk requests."""
    filter: bool = True
    """Search by filters."""
    etag: bool = True
    """Honour If-Match."""
    max_operations: int = Field(1000, ge=1)
    """Of a bulk request."""
    max_payload: int = Field(1 << 20, ge=1)
    """Bytes of a bulk request."""
    max_results: int = Field(200, ge=1)
    """Users in an answer to a search."""
