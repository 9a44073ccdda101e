"""Structured logs: one line an event, to stderr, with no secret in it."""

from typing import Any

import structlog

_SECRET_NAMES = ("token", "secret", "password", "authorization", "address", "cookie")


def _hide_secrets(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Blank every value whose name says that it is secret or reaches a person."""
    return {
        key: "[hidden]" if any(word in key.lower() for word in _SECRET_NAMES) else value for key, value in event.items()
    }


def logging_config(level: str) -> dict[str, Any]:
    """The standard library's logging and structlog through one formatter."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        _hide_secrets,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], drop_missing=True),
                ],
                "foreign_pre_chain": shared,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {
            "httpx": {"level": "WARNING"},
            "uvicorn.access": {"level": "WARNING"},
            "django.request": {"level": "ERROR"},
        },
    }
