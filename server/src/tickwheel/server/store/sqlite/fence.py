"""The fence: an owner's write is compared with the segment's row inside its transaction."""

import sqlite3

from tickwheel.server.domain.errors import Fenced
from tickwheel.server.domain.lease import WriteStamp


def check(connection: sqlite3.Connection, stamp: WriteStamp) -> None:
    """Lets the present owner pass.

    Raises:
        Fenced: the segment has had another owner since.
    """
    (epoch,) = connection.execute(
        "SELECT epoch FROM segments WHERE segment = ?", (stamp.segment,)
    ).fetchone()
    if stamp.epoch < epoch:
        raise Fenced(f"segment {stamp.segment} is at epoch {epoch}, the write at {stamp.epoch}")
