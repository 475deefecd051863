"""What a process is and what it was told, for who looks for what is wrong; nothing secret."""

import os
import platform
import re
import secrets
import socket
import sys
from importlib import metadata
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings

HIDDEN = "(hidden)"
#: In a URL: user and password, which may have what belongs there escaped.
USERINFO = re.compile(r"(?<=://)[^\s\"'<>]*@")
_SECRET_NAME = re.compile(r"password|secret|token|credential|private", re.IGNORECASE)
_DISTRIBUTIONS = (
    "tickwheel-server",
    "tickwheel-worker",
    "tickwheel-client",
    "tickwheel-proto",
    "grpcio",
    "protobuf",
    "scylla-driver",
    "aiokafka",
    "opentelemetry-sdk",
    "tzdata",
)


def process_name() -> str:
    """Tells a process from all others, also where all are told the same: another one each time."""
    return f"{socket.gethostname()[:80]}-{os.getpid()}-{secrets.token_hex(4)}"


def visible(settings: BaseSettings) -> dict[str, Any]:
    """The settings as they are in effect, without their secrets."""
    return {name: _shown(name, value) for name, value in settings}


def versions() -> dict[str, Any]:
    """Of what this process is made of."""
    installed: dict[str, str] = {}
    for name in _DISTRIBUTIONS:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed[name] = "not installed"
    return {
        "python": sys.version,
        "system": platform.platform(),
        "installed": installed,
    }


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, SecretStr) or _SECRET_NAME.search(name) is not None:
        raw = value.get_secret_value() if isinstance(value, SecretStr) else value
        return HIDDEN if raw else ""
    if isinstance(value, list | tuple):
        return [_shown(name, one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return USERINFO.sub(f"{HIDDEN}@", value) if isinstance(value, str) else value
