"""Room for the pages of lists, of all calls of a process together.

A page may be 12 MiB. It takes room as it is read and until it is sent, which may be long: that is
for its client to say, who may also ask for a thousand at once.
"""

from typing import Any

import grpc.aio

from tickwheel.server.domain.errors import Overloaded


class Room:
    """So many bytes of pages at once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0

    def until_over(self, context: "grpc.aio.ServicerContext[Any, Any]") -> "Held":
        """What one call takes of it, and gives back when its answer is sent, or never will be."""
        held = Held(self)
        # The package's types ask for a class of its own.
        context.add_done_callback(lambda _: held.give_back())  # pyright: ignore
        return held


class Held:
    """What one call has taken."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._size = 0

    def take(self, size: int) -> None:
        """Takes so many bytes more; one call may have any number of them.

        Raises:
            Overloaded: there is no room beside the others.
        """
        room = self._room
        others = room.held - self._size
        if others and room.held + size > room.most:
            raise Overloaded(
                f"pages of {others / 2**20:.1f} MiB are being read and sent here; come again"
            )
        self._size += size
        room.held += size

    def give_back(self) -> None:
        """Gives all of it back."""
        self._room.held -= self._size
        self._size = 0
