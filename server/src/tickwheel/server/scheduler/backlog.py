"""Rows of the schedule that were read and are still to be taken in, owners in turn. Pure.

Rows are cheap to read, their jobs are not: a storm of one user is taken in by slices, and in each
of them there is room for what others have due.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar


class Owned(Protocol):
    """What belongs to a user."""

    @property
    def user(self) -> str:
        """Whose it is."""
        ...


T = TypeVar("T", bound=Owned)


class Backlog(Generic[T]):
    """What waits, by user, in the order in which it came."""

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._users: dict[str, deque[T]] = {}
        self.extend(items)

    def __bool__(self) -> bool:
        return bool(self._users)

    def extend(self, items: Iterable[T]) -> None:
        """Adds items behind those that wait."""
        for item in items:
            self._users.setdefault(item.user, deque()).append(item)

    def put_back(self, items: Sequence[T]) -> None:
        """Items of `take` that could not be taken in: they come first again."""
        for item in reversed(items):
            self._users.setdefault(item.user, deque()).appendleft(item)

    def take(self, most: int) -> list[T]:
        """Takes out so many at most, one of each user in turn."""
        taken: list[T] = []
        while self._users and len(taken) < most:
            for user in list(self._users)[: most - len(taken)]:
                waiting = self._users.pop(user)
                taken.append(waiting.popleft())
                if waiting:
                    # Behind those whose turn is still to come.
                    self._users[user] = waiting
        return taken
