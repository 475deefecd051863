"""The words that explanations are made of."""

from tickwheel.server.domain.run import Limit, Run
from tickwheel.server.explain.facts import Slot
from tickwheel.server.schedule.instants import MS_NANOS, format_duration, format_instant

_LONG_MS = 10_000


def by_whom(actor: str) -> str:
    """` by 10.0.0.7`; empty where it is not known."""
    return f" by {actor}" if actor else ""


def quoted(reason: str) -> str:
    """`: "maintenance"`; empty for no reason."""
    return f': "{reason}"' if reason else ""


#: The operator's limits over many jobs, and the settings that have them.
LIMITS = {
    Limit.USER_IN_FLIGHT: (
        "the limit on unfinished runs of one user (TICKWHEEL_MAX_IN_FLIGHT_PER_USER)"
    ),
    Limit.TOPIC_IN_FLIGHT: (
        "the limit on unfinished runs of its topic (TICKWHEEL_MAX_IN_FLIGHT_PER_TOPIC)"
    ),
    Limit.TOPIC_RATE: "the rate of its topic (TICKWHEEL_DISPATCH_RATE_PER_TOPIC)",
}


def span(ms: int) -> str:
    """A length of time, not negative: `3 ms`, `2.4 s`, `47 seconds`, `1 day, 2 hours`."""
    if ms < 1_000:
        return f"{ms} ms"
    if ms < _LONG_MS:
        return f"{ms / 1000:.1f} s"
    seconds = round(ms / 1000)
    # Two units say enough of what is long.
    for size, part in ((86_400, 3_600), (3_600, 60), (60, 1)):
        if seconds >= size:
            whole = seconds // size * size
            rest = (seconds - whole) // part * part
            text = format_duration(whole * 1000 * MS_NANOS)
            return f"{text}, {format_duration(rest * 1000 * MS_NANOS)}" if rest else text
    return format_duration(seconds * 1000 * MS_NANOS)


def jitter(slot: Slot) -> str:
    """` at 2026-11-23T12:00:07Z (7.0 s jitter)`, where an occurrence is due later than its name."""
    if slot.due_ms == slot.at_ms:
        return ""
    return f" at {format_instant(slot.due_ms)} ({span(slot.due_ms - slot.at_ms)} jitter)"


def place(run: Run) -> str:
    """` by worker w1 to billing, partition 0, offset 41`, as far as it is known."""
    text = f" by worker {run.worker}" if run.worker else ""
    if run.offset >= 0:
        text += f" to topic {run.topic}, partition {run.partition}, offset {run.offset}"
    return text
