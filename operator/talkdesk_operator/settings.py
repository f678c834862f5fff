"""Settings of the operator, from command-line flags, or environment variables that begin with TALKDESK_OPERATOR_.

Belongs here: names, defaults and bounds. Does not belong here: anything about one app, which is in its TalkdeskApp.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, FilePath, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from talkdesk_crds.fields import LabelName, ObjectName
from talkdesk_crds.shard_slots import SLOTS
from talkdesk_runtime.settings import DurationSetting, NetworksSetting, ProcessSettings, names_of

__all__ = ["PREFIX", "Settings"]

PREFIX: Final = "TALKDESK_OPERATOR_"
_POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Settings(ProcessSettings):
    """Answers Talkdesk's lifecycle events and provisions a tenant for each customer.

    For the author of a template there are commands that need no cluster, each with --help: render, test, explain.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, cli_prog_name="talkdesk-operator")

    namespaces: Annotated[tuple[LabelName, ...], NoDecode, BeforeValidator(names_of)] = ()
    """Namespaces to work in, separated by commas; none for the whole cluster."""
    workers: Annotated[int, Field(ge=1, le=1000)] = 32
    """Accounts that are reconciled at once, in each shard; each waits for the network most of the time."""
    resync_jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Share of the resync interval by which the resyncs of accounts are spread."""
    relist_interval: DurationSetting = timedelta(minutes=10)
    """How often all objects of our kinds are listed again, in case a watch missed something."""
    leader_election: bool = True
    """Work only while holding the Lease. Without it, run one operator only: for development."""
    lease_name: ObjectName = "talkdesk-operator"
    """Name of the Lease; those of further shards begin with it."""
    shards: Annotated[int, Field(ge=1, le=SLOTS)] = 1
    """Into how many parts all accounts are divided, each with a Lease of its own; a replica may hold several. With more
    than one, further rights are needed: the component `shards` of the manifests, or the chart's value."""
    lease_namespace: LabelName | None = None
    """Namespace of the Lease, one of `namespaces` where these are given; without it, the pod's own or the first."""
    watch_inactivity_timeout: DurationSetting = timedelta(seconds=90)
    """/healthz fails when a leader's watches showed no event for that long; its Lease makes one every few seconds."""
    kubernetes_timeout: DurationSetting = timedelta(seconds=30)
    """Longest time for one request to the Kubernetes API."""
    kubernetes_connections: Annotated[int, Field(ge=1, le=1000)] = 48
    """Connections to the Kubernetes API, of 64 KB each. More than `workers`, or the Lease's renewal waits for them."""
    talkdesk_connect_timeout: DurationSetting = timedelta(seconds=5)
    """Longest time for a connection to Talkdesk, TLS included."""
    talkdesk_timeout: DurationSetting = timedelta(seconds=20)
    """Longest time for one request to Talkdesk and its whole response."""
    talkdesk_concurrency: Annotated[int, Field(ge=1, le=1000)] = 64
    """Requests to Talkdesk at once, for each app in each shard."""
    talkdesk_breaker_failures: Annotated[int, Field(ge=1, le=1000)] = 10
    """The circuit breaker of one of Talkdesk's hosts opens after so many failed calls in a row."""
    talkdesk_breaker_min_open_time: DurationSetting = timedelta(seconds=5)
    """How long a circuit stays open at first; each probe that fails doubles it."""
    talkdesk_breaker_max_open_time: DurationSetting = timedelta(minutes=1)
    """How long a circuit stays open at most. An answer whose deadline is near is sent all the same."""
    talkdesk_ca_file: FilePath | None = None
    """Certificates (PEM) to trust for Talkdesk beside the public ones: those of an inspecting proxy or a simulator."""
    allowed_hook_networks: NetworksSetting = ()
    """Networks that `http` steps of templates may call although they are loopback, or hold the Kubernetes API server:
    separated by commas. Those in `denied_networks` are never called."""
    shutdown_timeout: DurationSetting = timedelta(seconds=20)
    """Time for running work to end after SIGTERM; less than the pod's terminationGracePeriodSeconds."""

    @model_validator(mode="after")
    def _lease_is_watched(self) -> Self:
        if self.lease_namespace and self.namespaces and self.lease_namespace not in self.namespaces:
            raise ValueError("lease_namespace must be one of namespaces, because the Lease is watched")
        return self

    @model_validator(mode="after")
    def _shards_have_leases(self) -> Self:
        if self.shards > 1 and not self.leader_election:
            raise ValueError("shards need leader_election, because each has a Lease")
        return self

    def namespace_of_lease(self, pod_namespace: Path = _POD_NAMESPACE) -> str:
        """Return the namespace of the Lease; the pod's own is read from that file."""
        if self.lease_namespace is not None:
            return self.lease_namespace
        own = pod_namespace.read_text().strip() if pod_namespace.is_file() else "default"
        return self.namespaces[0] if self.namespaces and own not in self.namespaces else own
