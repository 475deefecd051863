"""W3C Trace Context (https://www.w3.org/TR/trace-context/) across our own hops.

The context of the call that is being served is kept in a context variable, so that whoever makes
the next hop passes it on without being handed it.
"""

import os
import re
from contextvars import ContextVar

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16

#: Values of the half of a trace id by which it is decided whether it is sampled.
_IDS = 1 << 64
_bound = _IDS

#: Bytes for ids are drawn so many at once. Each call of the kernel gives the interpreter's lock
#: away, and beside other threads it can be milliseconds until that is back.
_DRAWN = 24 * 256
_drawn = bytearray()

_current: ContextVar[str] = ContextVar("traceparent", default="")


def current_traceparent() -> str:
    """The traceparent of what is being done; empty outside of any call."""
    return _current.get()


def current_trace_id() -> str:
    """32 hexadecimal digits; empty outside of any call."""
    return _current.get()[3:35]


def keep_part(ratio: float) -> None:
    """From now on so much of the traces that begin here is sampled; all of them until then.

    Decided by the trace id, as OpenTelemetry's TraceIdRatioBased does, so that all agree.
    """
    global _bound
    _bound = round(ratio * _IDS)


def new_traceparent() -> str:
    """The beginning of a new trace."""
    ids = _random(24)
    flags = "01" if int.from_bytes(ids[8:16], "big") < _bound else "00"
    return f"00-{ids[:16].hex()}-{ids[16:].hex()}-{flags}"


def sampled_as(traceparent: str, other: str) -> str:
    """A traceparent that is sampled where another one is; as it is where there is no other one."""
    return traceparent[:-2] + other[-2:] if other else traceparent


def is_sampled(traceparent: str) -> bool:
    """Whether a traceparent of ours is of a trace that is kept."""
    return int(traceparent[-2:], 16) & 1 == 1


def child(parent: str | None = None) -> str:
    """A traceparent for the next hop: the same trace, a new span.

    Args:
        parent: what it follows from; by default the current one. Where that is not a
            traceparent the result begins a new trace.
    """
    match = _parsed(_current.get() if parent is None else parent)
    if match is None:
        return new_traceparent()
    return f"00-{match.group(2)}-{_random(8).hex()}-{match.group(4)}"


def enter(incoming: str) -> str:
    """Makes a child of the incoming traceparent the current one, and returns it."""
    mine = child(incoming)
    _current.set(mine)
    return mine


def continue_as(mine: str) -> None:
    """Makes a traceparent the current one as it is: somebody has made a span of it."""
    _current.set(mine)


def _parsed(text: str) -> "re.Match[str] | None":
    match = _TRACEPARENT.fullmatch(text)
    if match is None or match.group(1) == "ff":
        return None
    # Version 00 has exactly four parts; later ones may add more, which are not ours to read.
    if match.group(1) == "00" and match.group(5) is not None:
        return None
    if match.group(2) == _NO_TRACE or match.group(3) == _NO_SPAN:
        return None
    return match


def _random(size: int) -> bytes:
    if len(_drawn) < size:
        _drawn.extend(os.urandom(_DRAWN))
    drawn = bytes(_drawn[-size:])
    del _drawn[-size:]
    return drawn
