"""Settings of a process, from flags and environment variables: read in one way, and shown by `--help` in one form.

Belongs here: the types and fields that every process of ours has, reading, and the words for what is wrong. Does not
belong here: the settings of one process.
"""

import inspect
import sys
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn, Self, TypeAlias, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, CliApp, CliSettingsSource, NoDecode, SettingsConfigDict, SettingsError
from typing_extensions import override

from talkdesk_runtime.durations import format_duration, parse_duration
from talkdesk_runtime.listener import EVERYWHERE
from talkdesk_runtime.logs import LogFormat
from talkdesk_runtime.networks import LINK_LOCAL, Network, parse_networks
from talkdesk_runtime.programs import installed_version

__all__ = [
    "Address",
    "DelaySetting",
    "DurationSetting",
    "LogLevel",
    "MetricsAccess",
    "NetworksSetting",
    "Port",
    "ProcessSettings",
    "UnusableSettings",
    "names_of",
    "read_settings",
    "report",
]

_PLACEHOLDERS: Final = {int: "NUMBER", float: "NUMBER", timedelta: "DURATION", Path: "FILE"}


_LONGEST: Final = timedelta(days=30)


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _bounded(duration: timedelta) -> timedelta:
    if not timedelta() < duration <= _LONGEST:
        raise ValueError(f"must be longer than 0s and at most {format_duration(_LONGEST)}")
    return duration


DurationSetting = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_bounded)]
"""A length of time, written as 90s, 10m or 1h30m."""


def _bounded_delay(delay: timedelta) -> timedelta:
    if not timedelta() <= delay <= _LONGEST:
        raise ValueError(f"must be at most {format_duration(_LONGEST)}")
    return delay


DelaySetting = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_bounded_delay)]
"""A length of time that may be none at all: 0s."""


def _networks(value: object) -> object:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return parse_networks(",".join(value))
    return value


NetworksSetting = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
"""Networks, separated by commas."""


def names_of(value: object) -> object:
    """Return the names in a text that separates them by commas, and in a list of such; anything else as it is."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(name.strip() for part in value for name in part.split(",") if name.strip())
    return value


Port = Annotated[int, Field(ge=0, le=65535)]

Address = Annotated[str, StringConstraints(min_length=1, max_length=253)]

LogLevel: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class MetricsAccess(StrEnum):
    """Who may read /metrics."""

    NOBODY = "nobody"
    """There is no such port."""
    ANYBODY = "anybody"
    """Whoever reaches the port."""
    AUTHORIZED = "authorized"
    """Whoever shows a bearer token whose owner may get the path /metrics, as the API server says."""


class UnusableSettings(Exception):
    """The settings are no good; `str()` is one line that says which and why."""


class ProcessSettings(BaseSettings):
    """What every process of ours has. A subclass sets `env_prefix` and `cli_prog_name`."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        use_attribute_docstrings=True,
        frozen=True,
        hide_input_in_errors=True,
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_exit_on_error=False,
    )

    kubeconfig: Path | None = None
    """Kubeconfig file; without it, the pod's service account, else the default kubeconfig."""
    log_level: LogLevel = "INFO"
    """Least level of what is logged."""
    log_format: LogFormat = LogFormat.JSON
    """Form of a log line: one JSON object, or text for a terminal."""
    denied_networks: NetworksSetting = LINK_LOCAL
    """Networks to which nothing is sent that an app's author can choose: SCIM services, logout endpoints, an app's
    endpoints; separated by commas. Looked at for each connection, whatever its name resolves to. By default
    link-local addresses, where clouds give credentials away; add 127.0.0.0/8, ::1 and the cluster's own ranges where
    authors of apps are not trusted with these. An HTTP proxy is not looked at."""
    allow_insecure: bool = False
    """Let apps allow plain http by their own `allowInsecure`, to endpoints of Talkdesk's, SCIM services and logout
    endpoints. Credentials are sent there in the clear: only for a laboratory with a simulator."""
    probe_bind_address: Address = EVERYWHERE
    """Address to listen on for /healthz and /readyz; :: is every address of IPv6 and IPv4, or of IPv4 alone where there
    is no IPv6."""
    probe_port: Port = 8081
    """Port of /healthz and /readyz alone; 0 takes a free one, which the log names."""
    metrics_access: MetricsAccess = MetricsAccess.ANYBODY
    """Who may read /metrics: anybody who reaches the port; authorized, whoever shows a bearer token whose owner may get
    the URL /metrics by RBAC, which needs TLS; nobody, so that there is no such port."""
    metrics_bind_address: Address = EVERYWHERE
    """Address to listen on for /metrics; :: as above."""
    metrics_port: Port = 9090
    """Port of /metrics alone; 0 takes a free one, which the log names."""
    metrics_tls_cert_file: Path | None = None
    """Certificate (PEM, with its chain) for /metrics; loaded again when it is renewed. Without it, plain http."""
    metrics_tls_key_file: Path | None = None
    """Key (PEM, without a password) of that certificate."""

    @model_validator(mode="after")
    def _certificate_of_metrics_has_a_key(self) -> Self:
        if (self.metrics_tls_cert_file is None) != (self.metrics_tls_key_file is None):
            raise ValueError("metrics_tls_cert_file and metrics_tls_key_file are given together, or neither")
        if self.metrics_access is MetricsAccess.AUTHORIZED and self.metrics_tls_cert_file is None:
            raise ValueError("metrics_access authorized needs metrics_tls_cert_file: no token in the clear on the way")
        return self


S = TypeVar("S", bound=ProcessSettings)


def read_settings(kind: type[S], arguments: Sequence[str]) -> S:
    """Read flags and environment; raise UnusableSettings. `--help` and `--version` print and raise SystemExit."""
    try:
        source = CliSettingsSource[Any](kind, root_parser=_Parser(kind), add_argument_method=_add_argument)
        return CliApp.run(kind, cli_args=list(arguments), cli_settings_source=source)
    except ValidationError as error:
        raise UnusableSettings(_in_one_line(kind, error)) from None
    except SettingsError as error:
        raise UnusableSettings(" ".join(str(error).split())) from None


def report(kind: type[ProcessSettings], problem: object) -> None:
    """Write to standard error, in one line after the program's name, why it can't run."""
    sys.stderr.write(f"{_program(kind)}: {' '.join(str(problem).split())}\n")


class _Format(RawDescriptionHelpFormatter):
    """Puts the text of each setting below its flag, and keeps its line breaks."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=6)

    @override
    def _split_lines(self, text: str, width: int) -> list[str]:
        return [line for part in text.splitlines() for line in super(_Format, self)._split_lines(part, width)]


class _Parser(ArgumentParser):
    """The parser of one kind of settings."""

    def __init__(self, kind: type[ProcessSettings]) -> None:
        super().__init__(
            prog=_program(kind),
            usage="%(prog)s [--help] [--version] [--SETTING VALUE ...]",
            description=inspect.cleandoc(kind.__doc__ or ""),
            epilog="A flag takes precedence over its environment variable. Durations are written as 90s, 10m or 1h30m.",
            formatter_class=_Format,
            allow_abbrev=False,
        )
        self.kind = kind
        self.add_argument("--version", action="version", version=installed_version())

    @override
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def _add_argument(parser: _Parser, *flags: str, **how: Any) -> Any:
    """Add a setting's flag, shown with its environment variable and default."""
    name = how["dest"]
    field = parser.kind.model_fields[name]
    how["help"] = _help(parser.kind, name, field).replace("%", "%%")
    if "metavar" in how:
        how["metavar"] = _placeholder(field)
    return parser.add_argument(*flags, **{"default": SUPPRESS, **how})


def _help(kind: type[ProcessSettings], name: str, field: FieldInfo) -> str:
    text = " ".join((field.description or "").split())
    return f"{text}\n[{_variable(kind, name)}; default: {_shown(field.default)}]"


def _shown(value: object) -> str:
    match value:
        case None | ():
            return "none"
        case bool():
            return str(value).lower()
        case timedelta():
            return format_duration(value)
        case Enum():
            return str(value.value)
        case tuple():
            return ",".join(map(str, value))
        case _:
            return str(value)


def _placeholder(field: FieldInfo) -> str:
    """Return what stands for the value: the choices where there are few, else its type."""
    annotation: Any = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "{" + ",".join(str(member.value) for member in annotation) + "}"
    arguments = get_args(annotation)
    if arguments and all(isinstance(each, str) for each in arguments):
        return "{" + ",".join(arguments) + "}"
    kinds = {annotation, *arguments}
    return next((word for type_, word in _PLACEHOLDERS.items() if type_ in kinds), "TEXT")


def _program(kind: type[ProcessSettings]) -> str:
    return str(kind.model_config.get("cli_prog_name"))


def _variable(kind: type[ProcessSettings], name: str) -> str:
    return f"{kind.model_config.get('env_prefix')}{name.upper()}"


def _in_one_line(kind: type[ProcessSettings], error: ValidationError) -> str:
    problems = error.errors(include_input=False, include_context=False, include_url=False)
    return "; ".join(_problem(kind, problem) for problem in problems)


def _problem(kind: type[ProcessSettings], problem: Mapping[str, Any]) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    name = str(problem["loc"][0])
    return f"--{name.replace('_', '-')} ({_variable(kind, name)}): {message}"
