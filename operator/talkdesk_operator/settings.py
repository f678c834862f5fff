"""Settings of the operator, from command-line flags, or environment variables that begin with TALKDESK_OPERATOR_.

Belongs here: names, defaults and bounds. Does not belong here: anything about one app, which is in its TalkdeskApp.
"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, FilePath, StringConstraints, ValidationError, model_validator
from pydantic_settings import BaseSettings, CliApp, NoDecode, SettingsConfigDict, SettingsError

from talkdesk_crds.fields import LabelName, ObjectName, parse_duration
from talkdesk_runtime.logs import LogFormat

__all__ = ["PREFIX", "Settings", "UnusableSettings", "read_settings"]

PREFIX: Final = "TALKDESK_OPERATOR_"
_PROGRAM: Final = "talkdesk-operator"
_POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class UnusableSettings(Exception):
    """The settings are no good; `str()` is one line that says which and why."""


def _span(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _names(value: object) -> object:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(name.strip() for part in value for name in part.split(",") if name.strip())
    return value


Span = Annotated[timedelta, BeforeValidator(_span), Field(gt=timedelta(), le=timedelta(days=30))]
"""Written like 90s, 10m or 1h30m."""

Host = Annotated[str, StringConstraints(min_length=1, max_length=253)]


class Settings(BaseSettings):
    """Lengths of time are written as 90s, 10m or 1h30m. A flag goes before its environment variable."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        use_attribute_docstrings=True,
        frozen=True,
        hide_input_in_errors=True,
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_exit_on_error=False,
        cli_hide_none_type=True,
        cli_prog_name=_PROGRAM,
    )

    kubeconfig: Path | None = None
    """Kubeconfig file; without it, the pod's service account, else the default kubeconfig."""
    namespaces: Annotated[tuple[LabelName, ...], NoDecode, BeforeValidator(_names)] = ()
    """Namespaces to work in, separated by commas; none for the whole cluster."""
    workers: Annotated[int, Field(ge=1, le=1000)] = 32
    """Accounts worked on at once; each waits for the network most of the time."""
    resync_jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Share by which the resyncs of accounts are spread."""
    relist_every: Span = timedelta(minutes=10)
    """All objects of our kinds are listed again after that, in case a watch missed something."""
    leader_election: bool = True
    """Work only while holding the Lease. Without it, run one operator only: for development."""
    lease_name: ObjectName = "talkdesk-operator"
    """Name of the Lease."""
    lease_namespace: LabelName | None = None
    """Namespace of the Lease, one of `namespaces` where these are given; without it, the pod's own or the first."""
    probe_host: Host = "0.0.0.0"
    """Address of /healthz, /readyz and /metrics."""
    probe_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port of /healthz, /readyz and /metrics; 0 takes a free one, which the log names."""
    silence_limit: Span = timedelta(seconds=90)
    """/healthz fails when a leader's watches showed no event for that long; its Lease makes one every few seconds."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    log_format: LogFormat = LogFormat.JSON
    """json or console."""
    kubernetes_timeout: Span = timedelta(seconds=30)
    """Longest time for one request to the Kubernetes API."""
    kubernetes_connections: Annotated[int, Field(ge=1, le=1000)] = 48
    """Connections to the Kubernetes API, of 64 KB each. More than workers, or the Lease's renewal waits for them."""
    talkdesk_connect_timeout: Span = timedelta(seconds=5)
    """Longest time for a connection to Talkdesk, TLS included."""
    talkdesk_timeout: Span = timedelta(seconds=20)
    """Longest time for one request to Talkdesk and its whole answer."""
    talkdesk_concurrency: Annotated[int, Field(ge=1, le=1000)] = 64
    """Requests to Talkdesk at once, per app."""
    talkdesk_breaker_failures: Annotated[int, Field(ge=1, le=1000)] = 10
    """A host of Talkdesk's is spared for a while after so many calls in a row that it couldn't answer."""
    talkdesk_breaker_shortest: Span = timedelta(seconds=5)
    """For how long at first; each try that fails doubles it."""
    talkdesk_breaker_longest: Span = timedelta(minutes=1)
    """For how long at most. An answer whose deadline is near is sent all the same."""
    talkdesk_ca_file: FilePath | None = None
    """Certificates (PEM) to trust for Talkdesk beside the public ones: those of an inspecting proxy or a simulator."""
    shutdown_within: Span = timedelta(seconds=20)
    """Time for running work to end after SIGTERM; less than the pod's terminationGracePeriodSeconds."""

    @model_validator(mode="after")
    def _lease_is_watched(self) -> Self:
        if self.lease_namespace and self.namespaces and self.lease_namespace not in self.namespaces:
            raise ValueError("lease_namespace must be one of namespaces, as the Lease is watched")
        return self

    def lease_place(self, pod_namespace: Path = _POD_NAMESPACE) -> str:
        """Return the namespace of the Lease; the pod's own is read from that file."""
        if self.lease_namespace is not None:
            return self.lease_namespace
        own = pod_namespace.read_text().strip() if pod_namespace.is_file() else "default"
        return self.namespaces[0] if self.namespaces and own not in self.namespaces else own


def read_settings(arguments: Sequence[str]) -> Settings:
    """Read flags and environment; raise UnusableSettings. `--help` prints and raises SystemExit."""
    try:
        return CliApp.run(Settings, cli_args=list(arguments))
    except ValidationError as error:
        raise UnusableSettings(_in_one_line(error)) from None
    except SettingsError as error:
        raise UnusableSettings(" ".join(str(error).split())) from None


def _in_one_line(error: ValidationError) -> str:
    problems = error.errors(include_input=False, include_context=False, include_url=False)
    return "; ".join(_problem(problem["loc"], problem["msg"]) for problem in problems)


def _problem(location: tuple[Any, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not location:
        return message
    name = str(location[0])
    return f"--{name.replace('_', '-')} ({PREFIX}{name.upper()}): {message}"
