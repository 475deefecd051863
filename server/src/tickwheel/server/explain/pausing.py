"""When a job was paused, by whom, and why."""

from tickwheel.server.domain.course import FOR_EVER_MS, Era
from tickwheel.server.explain.facts import Life
from tickwheel.server.explain.phrases import by_whom, quoted
from tickwheel.server.schedule.instants import format_instant


def pause_at(life: Life, era: Era, due_ms: int) -> str:
    """That the job was paused at an instant, since when, by whom and why; empty: it was not."""
    pause = next((one for one in era.pauses if one[0] < due_ms <= one[1]), None)
    if pause is None:
        return ""
    version = life.version_at(due_ms)
    change = life.change_to(version.version)
    # A pause may have been given another reason meanwhile; who began it is who is asked for.
    first = next(
        (one for one in life.history if one.change_ms == pause[0] and not one.job.paused), change
    )
    who = by_whom(first.actor) if first is not None else ""
    text = f"the job was paused at {format_instant(pause[0])}{who}"
    if pause[1] != FOR_EVER_MS:
        text += f" until {format_instant(pause[1])}"
    return f"{text}{quoted(version.pause_reason)}"
