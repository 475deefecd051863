"""Who makes a call, for people: what is kept with a change and told by explain."""

from typing import Any
from urllib.parse import unquote

import grpc.aio

_FORWARDED = "x-forwarded-for"


def caller(context: "grpc.aio.ServicerContext[Any, Any]") -> str:
    """The caller's address; behind the gateway that of its own caller, as the gateway has it.

    Nobody is authenticated by it: whoever reaches the api without the gateway may claim any.
    """
    peer = unquote(context.peer()).removeprefix("ipv4:").removeprefix("ipv6:")
    for key, value in context.invocation_metadata() or ():
        if key == _FORWARDED and isinstance(value, str) and value.isprintable() and value:
            # The last one is who the gateway itself has seen.
            return value.rpartition(",")[2].strip()[:64]
    return peer.rpartition(":")[0] or peer
