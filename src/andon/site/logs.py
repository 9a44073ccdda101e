"""Structured logs: one line an event, to stderr, with no secret in it."""

import re
from typing import Any

import structlog
from django.http import HttpRequest

_SECRET_NAMES = ("token", "secret", "password", "authorization", "address", "cookie")


# Addresses that are credentials themselves (a message's link, what a call fetches, an invitation, a calendar feed, a
# workflow of Teams), and tokens anywhere.
_CREDENTIALS = re.compile(
    r"(/(?:a|setup|invite|contact|ical|phone/call/(?:page|test))/|[?&](?:token|mail|sig)=|andon_[a-z]+_)[\w.:~%=-]{8,}"
)


def hide_secrets(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Blank every value whose name says that it is secret or reaches a person, and credentials inside any text."""
    # The server says its start a second time with terminal colours, which no log wants.
    return {key: _hidden(key, value) for key, value in event.items() if key != "color_message"}


def _hidden(key: str, value: Any) -> Any:
    if any(word in key.lower() for word in _SECRET_NAMES):
        return "[hidden]"
    if isinstance(value, str | HttpRequest):
        return _CREDENTIALS.sub(r"\1[hidden]", str(value))
    return value


def logging_config(level: str) -> dict[str, Any]:
    """The standard library's logging and structlog through one formatter."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,
        hide_secrets,
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
            "mail.log": {"level": "WARNING"},  # names every address that mail comes for: for e-mail, that is the token
            "uvicorn.access": {"level": "WARNING"},
            "django.request": {"level": "ERROR"},
        },
    }
