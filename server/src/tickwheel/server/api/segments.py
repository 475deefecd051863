"""The number of segments, which never changes in the life of a store."""

from tickwheel.server.store.port import LeaseStore


class Segments:
    """Asks the store once."""

    def __init__(self, leases: LeaseStore) -> None:
        self._leases = leases
        self._count = 0

    async def count(self) -> int:
        """How many there are, 1 to 4,096."""
        if not self._count:
            self._count = await self._leases.segment_count()
        return self._count
