"""One job's share of an audit: window after window, with what can be said neither way set aside."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tickwheel.server.audit.checker import Case, check
from tickwheel.server.audit.facts import FOR_EVER_MS, WIRE_MS, LogRecord, Rules, Subject
from tickwheel.server.audit.findings import Fault, Finding, Tally
from tickwheel.server.audit.reading import read_runs, read_subject
from tickwheel.server.audit.stretches import Generation
from tickwheel.server.convert.instants import duration_ms
from tickwheel.server.domain.job import Job, Payload
from tickwheel.server.domain.names import instant_id, run_id_instant_ms
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.proof.log import digest
from tickwheel.server.proof.notebook import Notebook, Unproven
from tickwheel.server.proof.scope import CLOCK_BOUND_MS, Scope
from tickwheel.server.proof.waiting import Queue, place_ms, waits
from tickwheel.server.schedule.instants import format_instant
from tickwheel.server.store.codec import job_retention_ms
from tickwheel.server.store.port import Store

#: Runs of one window: with their records some megabytes.
WINDOW_RUNS: Final = 1_000
#: Occurrences of one window: one run may stand for millions.
WINDOW_OCCURRENCES: Final = 10_000
#: A shorter range is one window, whatever is in it.
SHORTEST_MS: Final = 60_000
#: How long an open run may go unchanged beside what its job allows.
OPEN_MS: Final = 3_600_000
#: What came due so shortly before may only be late: a take-over takes 15 s, and then it catches up.
FRESH_MS: Final = 60_000
_EVER_MS: Final = 1 << 60
_BACK_RUNS: Final = 100


@dataclass(slots=True)
class Judgement:
    """What was found out about one job."""

    findings: list[Finding] = field(default_factory=list[Finding])
    tally: Tally = field(default_factory=Tally)
    unproven: Unproven = field(default_factory=Unproven)


async def judge(store: Store, notebook: Notebook, job: Job, scope: Scope, now_ms: int) -> Judgement:
    """Audits a job.

    Args:
        store: has its past and its runs.
        notebook: has its records.
        job: which.
        scope: the range.
        now_ms: the present, Unix milliseconds.
    """
    judgement = Judgement()
    subject = _digested(await read_subject(store, job))
    generations = Generation.all_of(subject, CLOCK_BOUND_MS)
    queue = Queue(store, job)
    judge = _Judge(store, notebook, scope, subject, generations, now_ms, judgement, queue)
    kept_from_ms = now_ms - min(job_retention_ms(one.job.spec) for one in subject.versions)
    start_ms = scope.start_ms
    if kept_from_ms > start_ms and job.create_ms < kept_from_ms:
        judgement.unproven.runs_expired += 1
        start_ms = kept_from_ms
    if start_ms < scope.end_ms:
        await judge.windows(start_ms, scope.end_ms, is_first=True)
        await judge.triggered_before(start_ms)
        await judge.waiting()
    return judgement


@dataclass(slots=True)
class _Judge:
    store: Store
    notebook: Notebook
    scope: Scope
    subject: Subject
    generations: Sequence[Generation]
    now_ms: int
    judgement: Judgement
    queue: Queue
    #: The newest run of the schedule before an instant, and up to which that was looked for.
    last_scheduled: Run | None = None
    looked_to_ms: int = 0
    #: Runs that wait for longer than others may stay as they are.
    overdue: list[tuple[Run, Finding]] = field(default_factory=list[tuple[Run, Finding]])

    async def windows(self, start_ms: int, end_ms: int, *, is_first: bool) -> None:
        """Audits the job's occurrences, and runs by hand, of a range of any length.

        Args:
            start_ms: from here on, Unix milliseconds.
            end_ms: before this.
            is_first: nothing of the audited range comes before it.
        """
        job = self.subject.job
        back_ms = max(duration_ms(one.job.spec.schedule.jitter) for one in self.subject.versions)
        first = await self.store.runs.list_job(
            job.uid, b"", WINDOW_RUNS, start_ms=start_ms - back_ms, end_ms=end_ms
        )
        is_much = first.cursor is not None or self._are_many(start_ms, end_ms)
        if is_much and end_ms - start_ms > SHORTEST_MS:
            middle_ms = (start_ms + end_ms) // 2
            await self.windows(start_ms, middle_ms, is_first=is_first)
            await self.windows(middle_ms, end_ms, is_first=False)
            return
        runs = list(first.items)
        if first.cursor is not None:
            runs = await read_runs(self.store, job, start_ms - back_ms, end_ms)
        records = self.notebook.records(job.uid, start_ms - back_ms, end_ms)
        scheduled = [run for run in runs if run.trigger is Trigger.SCHEDULE]
        covering = await self._covering(start_ms - back_ms)
        if covering is not None:
            scheduled.append(covering)
        due = {run.run_id: run.due_ms for run in scheduled}
        self._check(
            scheduled,
            [
                record
                for record in records
                if _is_plain(record.run_id)
                and start_ms <= due.get(record.run_id, record.due_ms) < end_ms
            ],
            Rules(start_ms=start_ms, end_ms=end_ms, is_first=is_first, clock_ms=CLOCK_BOUND_MS),
        )
        self._check_triggered(
            [
                run
                for run in runs
                if run.trigger is not Trigger.SCHEDULE and run.schedule_ms >= start_ms
            ],
            [
                record
                for record in records
                if not _is_plain(record.run_id) and _instant_of(record) >= instant_id(start_ms)
            ],
        )

    def _are_many(self, start_ms: int, end_ms: int) -> bool:
        """Whether more comes due in a range than is to be held at once.

        Where runs are counted each window is gone to from the job's beginning: few are better.
        """
        number, most = 0, WINDOW_OCCURRENCES
        if any(version.job.spec.schedule.max_runs for version in self.subject.versions):
            return False
        for one in self.generations:
            begun_ms = max(start_ms, one.job.schedule_from_ms)
            number += one.count(begun_ms, end_ms - 1, most + 1)
        return number > most

    async def triggered_before(self, start_ms: int) -> None:
        """Audits what was published in the range of runs that bear an earlier instant's name.

        These are retries and backfills; of those that never were published nothing tells where to
        look for them.
        """
        uid = self.subject.job.uid
        records = [
            record
            for record in self.notebook.records(uid, 0, start_ms)
            if not _is_plain(record.run_id)
        ]
        keys = sorted({(uid, record.run_id) for record in records})
        runs = await self.store.runs.get_many(keys) if keys else {}
        self._check_triggered(list(runs.values()), records)

    async def waiting(self) -> None:
        """Judges the runs that have waited for long, once all are known: in the order they wait."""
        for run, finding in sorted(self.overdue, key=lambda item: place_ms(item[0])):
            if self._is_in_time(await self.queue.could_go_ms(run)):
                self.judgement.unproven.open += 1
            else:
                self.judgement.findings.append(finding)

    async def _covering(self, before_ms: int) -> Run | None:
        """The stretch of skipped occurrences that began before and goes on."""
        last = await self._scheduled_before(before_ms)
        if last is None or last.state is not RunState.SKIPPED or last.last_schedule_ms < before_ms:
            return None
        return last

    async def _scheduled_before(self, before_ms: int) -> Run | None:
        """The newest run of the schedule before an instant, however many by hand came after it.

        Instants come in order: what was looked through is not read again.
        """
        cursor: bytes | None = b""
        while cursor is not None:
            page = await self.store.runs.list_job(
                self.subject.job.uid,
                cursor,
                _BACK_RUNS,
                start_ms=self.looked_to_ms,
                end_ms=before_ms,
            )
            last = next((run for run in page.items if run.trigger is Trigger.SCHEDULE), None)
            if last is not None:
                self.last_scheduled = last
                break
            cursor = page.cursor
        self.looked_to_ms = max(self.looked_to_ms, before_ms)
        return self.last_scheduled

    def _check_triggered(self, runs: Sequence[Run], records: Sequence[LogRecord]) -> None:
        scope = self.scope
        mine = [run for run in runs if scope.start_ms <= run.due_ms < scope.end_ms]
        known = {run.run_id for run in runs}
        ours = {run.run_id for run in mine}
        if not mine and all(record.run_id in known for record in records):
            return
        # An empty range: no occurrence is expected among them.
        rules = Rules(start_ms=scope.end_ms, end_ms=scope.end_ms, clock_ms=CLOCK_BOUND_MS)
        self._check(mine, [record for record in records if record.run_id in ours], rules)
        for record in records:
            if record.run_id not in known and scope.start_ms <= record.due_ms < scope.end_ms:
                due = format_instant(record.due_ms)
                self._find(Fault.UNRECORDED, record.run_id, f"due {due}, {record.place}")

    def _check(self, runs: Sequence[Run], records: Sequence[LogRecord], rules: Rules) -> None:
        by_id = {run.run_id: run for run in runs}
        rules = replace(rules, owners={self.subject.job.segment: _owners(runs)})
        for finding in check(Case(self.subject, runs, records), rules, self.judgement.tally):
            run = by_id.get(finding.run_id)
            if self._is_open(finding, run):
                continue
            if finding.fault is Fault.UNFINISHED and run is not None and waits(run):
                self.overdue.append((run, finding))
            else:
                self.judgement.findings.append(self._dated(finding))
        self.judgement.findings.extend(self._early(records))

    def _dated(self, finding: Finding) -> Finding:
        """Says so where what is not there yet may still come."""
        if finding.fault not in (Fault.MISSING, Fault.UNRECORDED):
            return finding
        age_ms = self.now_ms - (run_id_instant_ms(finding.run_id) or 0)
        if age_ms >= FRESH_MS:
            return finding
        text = f"{finding.text}; {age_ms // 1000} s before it was looked for: audit it again"
        return replace(finding, text=text)

    def _early(self, records: Iterable[LogRecord]) -> Iterator[Finding]:
        for record in records:
            early_ms = record.due_ms - record.given_ms
            if early_ms > self.scope.log_behind_ms:
                name = str(self.subject.job.name)
                text = f"by {early_ms} ms, {record.place}"
                yield Finding(Fault.EARLY, name, record.run_id, text)

    def _is_open(self, finding: Finding, run: Run | None) -> bool:
        """Whether a finding is none, as far as can be known; counts it then."""
        if finding.fault is Fault.EARLY:
            # Judged by itself, to the millisecond.
            return True
        if run is None:
            return False
        unproven = self.judgement.unproven
        if finding.fault is Fault.UNFINISHED and self._is_in_time(run.update_ms):
            unproven.open += 1
        elif finding.fault is Fault.VANISHED and self._has_expired(run):
            unproven.records_expired += 1
        elif finding.fault is Fault.VANISHED and self._came_since(run):
            unproven.published_since += 1
        else:
            return False
        return True

    def _has_expired(self, run: Run) -> bool:
        """Whether the log may have dropped a run's record."""
        if run.offset >= 0:
            partition = self.notebook.partition(run.topic, run.partition)
            return partition is not None and run.offset < partition.kept_from
        # Its worker has not learned where it is, only by when it was there.
        since_ms = max(run.attempt_due_ms or run.due_ms, _published_ms(run) - WIRE_MS)
        since_ms -= CLOCK_BOUND_MS + self.scope.log_behind_ms
        return any(
            partition.kept_ms > since_ms
            for partition in self.notebook.partitions(run.topic)
            if run.partition in (-1, partition.number)
        )

    def _came_since(self, run: Run) -> bool:
        """Whether a run's record came when the audit had looked how far the log goes."""
        if run.offset >= 0:
            partition = self.notebook.partition(run.topic, run.partition)
            return partition is not None and run.offset >= partition.end
        asked_ms = self.notebook.asked_ms(run.topic)
        return bool(asked_ms) and _published_ms(run) + CLOCK_BOUND_MS >= asked_ms

    def _is_in_time(self, since_ms: int) -> bool:
        """Whether a run may be open that could have gone on since an instant."""
        return self.now_ms - since_ms < OPEN_MS + self._patience_ms()

    def _patience_ms(self) -> int:
        """The longest that a run of the job may stay as it is."""
        return max(
            max(
                duration_ms(version.job.spec.catch_up_window),
                duration_ms(version.job.spec.run_timeout),
                duration_ms(version.job.spec.retry_policy.max_backoff),
            )
            for version in self.subject.versions
        )

    def _find(self, fault: Fault, run_id: str, text: str) -> None:
        self.judgement.findings.append(Finding(fault, str(self.subject.job.name), run_id, text))


def _digested(subject: Subject) -> Subject:
    """The job with digests in place of its payloads, as the records have them."""
    return Subject(
        tuple(
            replace(
                version,
                job=replace(
                    version.job,
                    payload=Payload(version.job.payload.kind, digest(version.job.payload.data)),
                ),
            )
            for version in subject.versions
        )
    )


def _owners(runs: Iterable[Run]) -> list[tuple[int, int]]:
    """The owners that have recorded any of these runs, ascending: epoch, and since when it held.

    What a former owner's worker had begun by then may still have come.
    """
    since: dict[int, int] = {}
    for run in runs:
        since[run.epoch] = min(since.get(run.epoch, FOR_EVER_MS), run.update_ms)
    return [(epoch, since[epoch] + WIRE_MS) for epoch in sorted(since)]


def _is_plain(run_id: str) -> bool:
    """Whether it is the id of an occurrence of the schedule."""
    return "-" not in run_id


def _published_ms(run: Run) -> int:
    return run.publish_ms or run.update_ms


def _instant_of(record: LogRecord) -> str:
    return record.run_id.partition("-")[0]
