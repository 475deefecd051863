"""The time-zone data that a process compiles schedules with, as its scheduler watches them."""

import asyncio

from tickwheel.server.schedule.zone import default_root
from tickwheel.server.schedule.zonefiles import ZoneFiles
from tickwheel.server.scheduler.rederiver import ZoneData


def installed_zone_data() -> ZoneData:
    """Looks at the disk whenever it is called, beside the event loop."""
    files = ZoneFiles(default_root())

    async def digest() -> str:
        return await asyncio.to_thread(files.digest)

    return digest
