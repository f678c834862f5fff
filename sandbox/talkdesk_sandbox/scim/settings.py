"""Settings: how the simulated service is reached, and which features it offers.

Also read from the environment: `TALKDESK_SCIM_PORT`, `TALKDESK_SCIM_TOKEN`, `TALKDESK_SCIM_BULK`, …
"""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["ScimSettings"]


class ScimSettings(BaseSettings):
    """Settings of the service; all are fixed at the start."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, env_prefix="TALKDESK_SCIM_"
    )

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(0, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    token: SecretStr = SecretStr("scim-token")
    """The bearer token that requests must have."""
    config: bool = True
    """Offer /ServiceProviderConfig; many services do not."""
    patch: bool = True
    """Offer PATCH."""
    bulk: bool = True
    """Offer bulk requests."""
    filter: bool = True
    """Offer searches by filters."""
    etag: bool = True
    """Respect If-Match."""
    max_operations: int = Field(1000, ge=1)
    """How many operations a bulk request may have."""
    max_payload: int = Field(1 << 20, ge=1)
    """How many bytes a bulk request may have."""
    max_results: int = Field(200, ge=1)
    """How many users the response to a search may have."""
