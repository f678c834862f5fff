"""Logs as one JSON object a line (or coloured text at a terminal), for our own and the libraries' loggers alike.

Secrets never get here: they live in SecretStr, and no message is built from a request's body.
"""

import logging
import sys
from enum import StrEnum

import structlog

__all__ = ["LogFormat", "configure"]


class LogFormat(StrEnum):
    """How a log line looks."""

    JSON = "json"
    CONSOLE = "console"


def configure(level: str = "INFO", form: LogFormat = LogFormat.JSON) -> None:
    """Send all logs to standard error in one form; libraries' loggers only from WARNING on, unless `level` is DEBUG."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if form is LogFormat.JSON else structlog.dev.ConsoleRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    if level != "DEBUG":
        for name in ("kopf", "httpx", "httpcore", "uvicorn", "uvicorn.access", "kubernetes", "aiohttp"):
            logging.getLogger(name).setLevel(logging.WARNING)
    # Its warnings are about single expressions, which conditions report already, and may quote their input.
    logging.getLogger("cel").setLevel(logging.ERROR)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
