"""What an audit has read so far: an SQLite file, so that memory is bounded and work not lost.

Each step is committed with the place up to which it came, so an audit that ended anywhere goes on
from its last commit. The file survives a killed process; a power cut may cost it, and only it.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from tickwheel.server.audit.facts import LogRecord
from tickwheel.server.audit.findings import Fault, Finding, Tally
from tickwheel.server.domain.names import JobKey, run_id_instant_ms
from tickwheel.server.proof.log import Partition, Seen

_FORMAT = 1

_SCHEMA = """
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs (uid TEXT PRIMARY KEY, user TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE topics (name TEXT PRIMARY KEY, own_stamps INTEGER) WITHOUT ROWID;
CREATE TABLE partitions (
    topic TEXT, number INTEGER, kept_from INTEGER, position INTEGER, end INTEGER,
    PRIMARY KEY (topic, number)
) WITHOUT ROWID;
-- Ordered as they are asked for: a job's, by the instant in the run's id.
CREATE TABLE records (
    uid TEXT, instant_ms INTEGER, topic TEXT, partition INTEGER, offset INTEGER,
    run_id TEXT, attempt INTEGER, given_ms INTEGER, fence INTEGER, due_ms INTEGER,
    key BLOB, value BLOB,
    PRIMARY KEY (uid, instant_ms, topic, partition, offset)
) WITHOUT ROWID;
CREATE TABLE findings (
    number INTEGER PRIMARY KEY, fault TEXT, subject TEXT, run_id TEXT, text TEXT
);
"""


class NotebookError(Exception):
    """The file cannot be used; the text says why."""


@dataclass(slots=True)
class Unproven:
    """What could be said neither way, by how often."""

    #: Jobs of which the range began before what is kept of their runs.
    runs_expired: int = 0
    #: Published runs whose records the log no longer keeps.
    records_expired: int = 0
    #: Published runs whose records came after the audit had read the log.
    published_since: int = 0
    #: Runs that are still open, and may be.
    open: int = 0
    #: Records of jobs that the store does not have: long deleted, another cluster's, or newer.
    strangers: int = 0
    #: Records that are not Tickwheel's, and dead letters.
    others: int = 0


@dataclass(slots=True)
class Progress:
    """How far an audit is. All counts grow."""

    #: "jobs", "records", "occurrences", "done".
    phase: str = "jobs"
    #: Where the phase goes on: a store's cursor in hex, or a uid.
    cursor: str = ""
    jobs: int = 0
    jobs_done: int = 0
    records: int = 0
    tally: Tally = field(default_factory=Tally)
    unproven: Unproven = field(default_factory=Unproven)


class Notebook:
    """One audit's file. All calls block for a moment."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def open(cls, path: Path | None, scope_json: str, call: str) -> Self:
        """Opens an audit's file, or begins one.

        Args:
            path: where; None: somewhere temporary, gone when it is closed.
            scope_json: what a new audit is about.
            call: what was asked for, and where; an audit goes on only for the same.

        Raises:
            NotebookError: it is not an audit's, or cannot be written.
        """
        try:
            connection = sqlite3.connect(path or "", isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if version == 0 and tables == 0:
                connection.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {_FORMAT};COMMIT;")
            elif version != _FORMAT:
                raise NotebookError(f"{path} is not a checkpoint of this release")
            notebook = cls(connection)
            if notebook._note("scope") is None:
                notebook._put("scope", scope_json)
                notebook._put("call", call)
            elif notebook._note("call") != call:
                raise NotebookError(
                    f"{path} is of an audit with other arguments, or of another store or log: "
                    "remove it first"
                )
        except sqlite3.Error as error:
            raise NotebookError(f"{path}: {error}") from error
        return notebook

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    @property
    def scope(self) -> str:
        """What it is about."""
        return self._note("scope") or ""

    # -- progress ----------------------------------------------------------------------------

    def progress(self) -> Progress:
        """How far it is."""
        text = self._note("progress")
        if text is None:
            return Progress()
        values: dict[str, Any] = json.loads(text)
        tally = values.pop("tally")
        lateness = Counter({int(bits): count for bits, count in tally.pop("lateness").items()})
        unproven = Unproven(**values.pop("unproven"))
        return Progress(**values, tally=Tally(**tally, lateness=lateness), unproven=unproven)

    def begin(self) -> None:
        """Begins a step."""
        self._db.execute("BEGIN")

    def commit(self, progress: Progress) -> None:
        """Ends a step: all of it counts, or nothing."""
        values = asdict(replace(progress, tally=replace(progress.tally, lateness=Counter())))
        values["tally"]["lateness"] = progress.tally.lateness
        self._put("progress", json.dumps(values))
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Undoes a step that was begun and not ended."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    # -- jobs and topics ---------------------------------------------------------------------

    def add_jobs(self, keys: Iterable[JobKey], topics: Iterable[str]) -> None:
        """Notes jobs, and the topics that they publish to."""
        self._db.executemany(
            "INSERT OR IGNORE INTO jobs VALUES (?, ?)", [(key.uid, key.user) for key in keys]
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO topics VALUES (?, NULL)", [(topic,) for topic in topics]
        )

    def jobs_after(self, uid: str, limit: int) -> list[JobKey]:
        """The next jobs in the order of their uids."""
        rows = self._db.execute(
            "SELECT user, uid FROM jobs WHERE uid > ? ORDER BY uid LIMIT ?", (uid, limit)
        )
        return [JobKey(*row) for row in rows]

    def topics(self) -> list[str]:
        """All topics."""
        return [row[0] for row in self._db.execute("SELECT name FROM topics ORDER BY name")]

    def unread_topics(self) -> list[str]:
        """Those whose partitions are not known yet."""
        rows = self._db.execute("SELECT name FROM topics WHERE own_stamps IS NULL ORDER BY name")
        return [row[0] for row in rows]

    def foreign_stamps(self) -> list[str]:
        """Topics whose records bear the time of their producer."""
        rows = self._db.execute("SELECT name FROM topics WHERE own_stamps = 0 ORDER BY name")
        return [row[0] for row in rows]

    # -- records -----------------------------------------------------------------------------

    def set_partitions(
        self, topic: str, partitions: Iterable[Partition], *, own_stamps: bool
    ) -> None:
        """Notes what there is to read."""
        self._db.execute("UPDATE topics SET own_stamps = ? WHERE name = ?", (own_stamps, topic))
        self._db.executemany(
            "INSERT OR REPLACE INTO partitions VALUES (?, ?, ?, ?, ?)",
            [
                (each.topic, each.number, each.kept_from, each.begin, each.end)
                for each in partitions
            ],
        )

    def partitions(self, topic: str) -> list[Partition]:
        """The partitions of a topic; `begin` is how far they were read."""
        rows = self._db.execute(
            "SELECT * FROM partitions WHERE topic = ? ORDER BY number", (topic,)
        )
        return [Partition(*row) for row in rows]

    def partition(self, topic: str, number: int) -> Partition | None:
        """One partition."""
        row = self._db.execute(
            "SELECT * FROM partitions WHERE topic = ? AND number = ?", (topic, number)
        ).fetchone()
        return None if row is None else Partition(*row)

    def unread(self) -> int:
        """How many offsets are still to be read."""
        (count,) = self._db.execute(
            "SELECT coalesce(sum(max(0, end - position)), 0) FROM partitions"
        ).fetchone()
        return count

    def knows(self, uids: Iterable[str]) -> set[str]:
        """Which of these jobs are audited."""
        rows = self._db.execute(
            "SELECT uid FROM jobs WHERE uid IN (SELECT value FROM json_each(?))",
            (json.dumps(list(uids)),),
        )
        return {row[0] for row in rows}

    def add_records(self, topic: str, read: Sequence[Seen], kept: Iterable[LogRecord]) -> None:
        """Notes records, and how far the topic was read."""
        self._db.executemany(
            "INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    record.uid,
                    run_id_instant_ms(record.run_id),
                    record.topic,
                    record.partition,
                    record.offset,
                    record.run_id,
                    record.attempt,
                    record.given_ms,
                    record.fence,
                    record.due_ms,
                    record.key,
                    record.value,
                )
                for record in kept
            ],
        )
        positions = {each.partition: each.offset + 1 for each in read}
        self._db.executemany(
            "UPDATE partitions SET position = ? WHERE topic = ? AND number = ?",
            [(position, topic, number) for number, position in positions.items()],
        )

    def records(self, uid: str, start_ms: int, end_ms: int) -> list[LogRecord]:
        """A job's records with an instant in the range."""
        rows = self._db.execute(
            "SELECT topic, partition, offset, given_ms, uid, run_id, attempt, fence, due_ms, key, "
            "value FROM records WHERE uid = ? AND instant_ms >= ? AND instant_ms < ?",
            (uid, start_ms, end_ms),
        )
        return [LogRecord(*row) for row in rows]

    # -- findings ----------------------------------------------------------------------------

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Notes what is wrong."""
        self._db.executemany(
            "INSERT INTO findings (fault, subject, run_id, text) VALUES (?, ?, ?, ?)",
            [(each.fault.name, each.subject, each.run_id, each.text) for each in findings],
        )

    def findings(self) -> Iterator[Finding]:
        """All that was noted, one by one."""
        for fault, subject, run_id, text in self._db.execute(
            "SELECT fault, subject, run_id, text FROM findings ORDER BY subject, run_id, number"
        ):
            yield Finding(Fault[fault], subject, run_id, text)

    def finding_counts(self) -> dict[str, int]:
        """How many there are of each kind."""
        return dict(
            self._db.execute("SELECT fault, count(*) FROM findings GROUP BY fault ORDER BY fault")
        )

    def _note(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def _put(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))
