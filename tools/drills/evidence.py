"""What Tickwheel says of an occurrence that is missing: for who mends it, not for the verdict."""

import asyncio
from collections.abc import Sequence

from drills.load import USER
from tickwheel.client import ApiError, Client

_AROUND_MS = 3_000


def what_is_told(api: str, missing: Sequence[str]) -> list[str]:
    """The job, and its runs around the instant, of each `<uid> due <ms>`."""
    return asyncio.run(_ask(api, missing)) if missing else []


async def _ask(api: str, missing: Sequence[str]) -> list[str]:
    lines: list[str] = []
    async with Client(api, timeout=20) as client:
        for each in missing:
            uid, _, due = each.partition(" due ")
            name = f"users/{USER}/jobs/{uid}"
            try:
                runs = [
                    f"{run.name.rpartition('/')[2]} state {run.state} skip {run.skip_reason} "
                    f"x{run.skipped_count} by {run.worker}, error {run.error.message!r}"
                    async for run in client.list_runs(name)
                    if abs(run.schedule_time.ToMilliseconds() - int(due)) <= _AROUND_MS
                ]
            except ApiError as error:
                runs = [str(error)]
            lines.append(f"{each}: {'; '.join(runs) or 'no run near it'}")
    return lines
