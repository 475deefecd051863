"""The gateway as a child of the dev process."""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncGenerator
from pathlib import Path

import structlog

from tickwheel.server.settings import Settings

_log = structlog.get_logger(__name__)

PROGRAM = "tickwheel-gateway"
#: It gives requests 4 s to end, and then pushes what is left to be told of them.
STOP_S = 6.0


def find_gateway(settings: Settings) -> Path | None:
    """The gateway's program: the one that is set, or the one on PATH."""
    found = shutil.which(settings.gateway or PROGRAM)
    return Path(found) if found else None


def check_free(address: str) -> None:
    """Sees that the gateway can listen on `host:port`, before anything is started.

    Raises:
        OSError: it cannot; the message says where and why.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise OSError(f"cannot listen on {address}: it is not host:port")
    try:
        socket.create_server((host.strip("[]"), int(port))).close()
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else "there is no such port"
        raise OSError(f"cannot listen on {address}: {why}") from error


@contextlib.asynccontextmanager
async def gateway_child(program: Path, settings: Settings) -> AsyncGenerator[None]:
    """Runs the gateway for as long as the block lasts.

    It holds the other end of a pipe from us and stops when that closes, so that it goes with us
    however we go.
    """
    process = await asyncio.create_subprocess_exec(
        program,
        "-with-parent",
        f"-http-address={settings.http_address}",
        f"-api-address={settings.grpc_address}",
        f"-otlp-endpoint={settings.otlp_endpoint}",
        f"-trace-ratio={settings.trace_ratio}",
        f"-log-level={settings.log_level}",
        f"-log-format={settings.log_format}",
        # At that address this process serves its own; the gateway's are pushed, if any are.
        "-metrics-address=",
        stdin=asyncio.subprocess.PIPE,
        # A Ctrl-C in the terminal is ours to act on.
        start_new_session=True,
    )
    watcher = asyncio.create_task(_watch(process))
    try:
        yield
    finally:
        watcher.cancel()
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _watch(process: asyncio.subprocess.Process) -> None:
    code = await process.wait()
    _log.error("the gateway has ended; REST is not served", exit_code=code)
