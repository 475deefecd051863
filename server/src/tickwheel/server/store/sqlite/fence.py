"""Refuses writes of owners that are no longer owners."""

import sqlite3

from tickwheel.server.domain.errors import Fenced
from tickwheel.server.domain.lease import WriteStamp


def check_fence(connection: sqlite3.Connection, stamp: WriteStamp) -> None:
    """Lets an owner's write pass, within the write's own transaction.

    Raises:
        Fenced: the segment has a later epoch.
    """
    row = connection.execute(
        "SELECT epoch FROM segments WHERE segment = ?", (stamp.segment,)
    ).fetchone()
    if row is not None and row[0] > stamp.epoch:
        raise Fenced(f"segment {stamp.segment} has epoch {row[0]}, not {stamp.epoch}")
