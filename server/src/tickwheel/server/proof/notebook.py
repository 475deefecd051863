"""What an audit has read so far: an SQLite file, so that memory is bounded and work not lost.

Each step is committed with the place up to which it came, so an audit that ended anywhere goes on
from its last commit. The file survives a killed process; a power cut may cost it, and only it.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from tickwheel.server.audit.ends import RunStatus, Suspect
from tickwheel.server.audit.facts import LogRecord
from tickwheel.server.audit.findings import Fault, Finding, Tally
from tickwheel.server.domain.names import JobKey, JobName, run_id_instant_ms
from tickwheel.server.domain.run import RunState
from tickwheel.server.proof.log import Partition, Seen

_FORMAT = 3

_SCHEMA = """
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs (uid TEXT PRIMARY KEY, user TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE segments (number INTEGER PRIMARY KEY);
CREATE TABLE topics (
    name TEXT PRIMARY KEY, own_stamps INTEGER, asked_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE partitions (
    topic TEXT, number INTEGER, kept_from INTEGER, position INTEGER, end INTEGER, kept_ms INTEGER,
    PRIMARY KEY (topic, number)
) WITHOUT ROWID;
-- Ordered as they are asked for: a job's, by the instant in the run's id.
CREATE TABLE records (
    uid TEXT, instant_ms INTEGER, topic TEXT, partition INTEGER, offset INTEGER,
    run_id TEXT, attempt INTEGER, given_ms INTEGER, fence INTEGER, due_ms INTEGER,
    key BLOB, value BLOB,
    PRIMARY KEY (uid, instant_ms, topic, partition, offset)
) WITHOUT ROWID;
-- Of the segment whose run log is being read: what differs, and until when each owner was there.
CREATE TABLE suspects (
    uid TEXT, run_id TEXT, user TEXT, job_id TEXT,
    end_state INTEGER, end_epoch INTEGER, end_revision INTEGER, end_ms INTEGER,
    state INTEGER, epoch INTEGER, revision INTEGER, update_ms INTEGER,
    PRIMARY KEY (uid, run_id, end_state)
) WITHOUT ROWID;
CREATE TABLE owners (epoch INTEGER PRIMARY KEY, until_ms INTEGER);
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
    #: Ends of runs that came to another one by the next owner: they may have been recorded late, by
    #: who had been replaced.
    late_ends: int = 0
    #: Records of jobs that the store does not have: long deleted, another cluster's, or newer.
    strangers: int = 0
    #: Records that are not Tickwheel's, and dead letters.
    others: int = 0


@dataclass(slots=True)
class Progress:
    """How far an audit is. All counts grow."""

    #: "jobs", "records", "states", "occurrences", "done".
    phase: str = "jobs"
    #: Where the phase goes on: a store's cursor in hex, behind a segment's number in "states"; or a
    #: uid.
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
            try:
                notebook = cls(connection)
                notebook._begin(path, scope_json, call)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise NotebookError(f"{path}: {error}") from error
        return notebook

    def _begin(self, path: Path | None, scope_json: str, call: str) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if version == 0 and tables == 0:
            # All of it or nothing: whoever is killed here leaves an empty file.
            self._db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {_FORMAT};")
            self._put("scope", scope_json)
            self._put("call", call)
            self._db.execute("COMMIT")
            return
        if version != _FORMAT:
            raise NotebookError(f"{path} is not a checkpoint of this release: remove it first")
        its_call = self._note("call")
        if its_call is None:
            raise NotebookError(f"{path} is of an audit that had not begun: remove it first")
        if its_call != call:
            raise NotebookError(
                f"{path} is of an audit with other arguments, or of another store or log: "
                "remove it first"
            )

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

    def add_jobs(
        self, keys: Iterable[JobKey], topics: Iterable[str], segments: Iterable[int]
    ) -> None:
        """Notes jobs, the topics that they publish to, and the segments that they are in."""
        self._db.executemany(
            "INSERT OR IGNORE INTO jobs VALUES (?, ?)", [(key.uid, key.user) for key in keys]
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO topics VALUES (?, NULL, NULL)", [(topic,) for topic in topics]
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO segments VALUES (?)", [(segment,) for segment in segments]
        )

    def jobs_after(self, uid: str, limit: int) -> list[JobKey]:
        """The next jobs in the order of their uids."""
        rows = self._db.execute(
            "SELECT user, uid FROM jobs WHERE uid > ? ORDER BY uid LIMIT ?", (uid, limit)
        )
        return [JobKey(*row) for row in rows]

    def segments(self) -> list[int]:
        """All segments that have jobs to audit, in order."""
        return [row[0] for row in self._db.execute("SELECT number FROM segments ORDER BY number")]

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
        self, topic: str, partitions: Iterable[Partition], asked_ms: int, *, own_stamps: bool
    ) -> None:
        """Notes what there is to read, and when that was asked for: the log has gone on since."""
        self._db.execute(
            "UPDATE topics SET own_stamps = ?, asked_ms = ? WHERE name = ?",
            (own_stamps, asked_ms, topic),
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO partitions VALUES (?, ?, ?, ?, ?, ?)",
            [astuple(each) for each in partitions],
        )

    def set_kept_from(self, partitions: Iterable[Partition]) -> None:
        """Notes from which offset on the log keeps its records by now."""
        self._db.executemany(
            "UPDATE partitions SET kept_from = max(kept_from, ?), kept_ms = max(kept_ms, ?) "
            "WHERE topic = ? AND number = ?",
            [(each.kept_from, each.kept_ms, each.topic, each.number) for each in partitions],
        )

    def asked_ms(self, topic: str) -> int:
        """When a topic was asked for what there is of it; 0: it was not."""
        row = self._db.execute("SELECT asked_ms FROM topics WHERE name = ?", (topic,)).fetchone()
        return 0 if row is None else row[0] or 0

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

    # -- states of the segment that is being read --------------------------------------------

    def add_suspects(self, suspects: Iterable[Suspect]) -> None:
        """Notes ends that differ from what their runs are now, each once."""
        self._db.executemany(
            "INSERT OR IGNORE INTO suspects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    each.uid,
                    each.run_id,
                    each.name.user,
                    each.name.job_id,
                    *astuple(each.end),
                    *astuple(each.present),
                )
                for each in suspects
            ],
        )

    def suspects(self) -> Iterator[Suspect]:
        """All that were noted, one by one."""
        for uid, run_id, user, job_id, *states in self._db.execute("SELECT * FROM suspects"):
            end, present = _status(*states[:4]), _status(*states[4:])
            yield Suspect(JobName(user, job_id), uid, run_id, end, present)

    def add_until(self, until: Mapping[int, int]) -> None:
        """Notes until when owners have recorded something: by epoch, in Unix milliseconds."""
        self._db.executemany(
            "INSERT INTO owners VALUES (?, ?) ON CONFLICT (epoch) DO UPDATE SET "
            "until_ms = max(until_ms, excluded.until_ms)",
            list(until.items()),
        )

    def until(self) -> dict[int, int]:
        """By epoch, until when its owner has recorded something."""
        return dict(self._db.execute("SELECT epoch, until_ms FROM owners"))

    def clear_suspects(self) -> None:
        """The segment is done."""
        self._db.execute("DELETE FROM suspects")
        self._db.execute("DELETE FROM owners")

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


def _status(state: int, epoch: int, revision: int, update_ms: int) -> RunStatus:
    return RunStatus(RunState(state), epoch, revision, update_ms)
