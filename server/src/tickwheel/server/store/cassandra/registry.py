"""What a process has registered already.

Partitions keyed by time can only be read by who knows which of them exist; index tables tell. An
index row is written before the first row that it announces, once per process, and remembered here.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Final, Generic, TypeVar

from tickwheel.server.store.cassandra.driver import Bound
from tickwheel.server.store.cassandra.session import CassandraSession

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: Keys that a memory holds; beyond it the least recently used ones are registered again.
MOST_KEYS: Final = 100_000


class Memory(Generic[K, V]):
    """A bounded mapping that forgets what was not used for longest."""

    def __init__(self, most: int = MOST_KEYS) -> None:
        self._most = most
        self._known: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value of a key, which thereby was used."""
        value = self._known.get(key)
        if value is not None:
            self._known.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Sets the value of a key."""
        self._known[key] = value
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def forget(self, key: K) -> None:
        """The key has no value any more, if it had one."""
        self._known.pop(key, None)


class Registry(Generic[K]):
    """Index rows of one kind, each with a weight that grows.

    It says how long the row is needed, or when it was written; 1 where neither matters.
    """

    def __init__(self, session: CassandraSession) -> None:
        self._session = session
        self._written: Memory[K, int] = Memory()

    def knows(self, key: K, weight: int = 1) -> bool:
        """Whether the key was registered with at least that weight."""
        return (self._written.get(key) or 0) >= weight

    def forget(self, key: K) -> None:
        """The row is gone from the store: it is written again when it is needed."""
        self._written.forget(key)

    async def write(self, rows: Mapping[K, tuple[Bound, int]]) -> None:
        """Writes index rows with their weights; afterwards they are known.

        They are remembered only when they are stored: who comes in between writes them as well.
        """
        if not rows:
            return
        await self._session.write([bound for bound, _ in rows.values()])
        for key, (_, weight) in rows.items():
            self._written.put(key, weight)
