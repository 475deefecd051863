"""Judges one job: what ought to have happened, against its runs and its records.

Bounded: the occurrences are a stream, and of runs and records only those of one job and one window
are held.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tickwheel.server.audit.ends import RunStatus, two_ends
from tickwheel.server.audit.expected import Expected, expected
from tickwheel.server.audit.facts import FOR_EVER_MS, WIRE_MS, LogRecord, Rules, Subject
from tickwheel.server.audit.findings import Fault, Finding, Tally
from tickwheel.server.audit.stretches import Generation, Stretch
from tickwheel.server.domain.names import backfill_run_id, instant_id, run_id_instant_ms
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.schedule.instants import format_instant
from tickwheel.v1 import job_pb2, run_pb2


@dataclass(frozen=True, slots=True)
class Case:
    """The facts about one job in one window."""

    subject: Subject
    #: Runs in their present states.
    runs: Sequence[Run]
    #: All records of the job.
    records: Sequence[LogRecord]
    #: All states of its runs that the run log has, where it was read; in any order.
    states: Sequence[Run] = ()


def check(case: Case, rules: Rules, tally: Tally) -> Iterator[Finding]:
    """What is wrong with a job; counts into `tally`."""
    yield from _Check(case, rules, tally).run()


@dataclass(slots=True)
class _Check:
    case: Case
    rules: Rules
    tally: Tally
    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    records: dict[str, list[LogRecord]] = field(default_factory=dict[str, list[LogRecord]])
    stretches: list[Stretch] = field(default_factory=list[Stretch])

    def run(self) -> Iterator[Finding]:
        """All findings."""
        generations = Generation.all_of(self.case.subject, self.rules.clock_ms)
        for run in self.case.runs:
            if run.state is RunState.SKIPPED and run.trigger is Trigger.SCHEDULE:
                self.stretches.append(Stretch.of(run, generations))
            else:
                self.runs[run.run_id] = run
        for record in self.case.records:
            self.records.setdefault(record.run_id, []).append(record)
        known: set[str] = set()
        rules = self.rules
        ones: dict[int, Expected] = {}
        for one in expected(self.case.subject, rules.start_ms, rules.end_ms, rules.clock_ms):
            other = ones.get(one.schedule_ms)
            ones[one.schedule_ms] = one if other is None else one.together(other)
        for schedule_ms in sorted(ones):
            run_id = instant_id(schedule_ms)
            known.add(run_id)
            if ones[schedule_ms].due_ms >= rules.start_ms:
                yield from self._occurrence(ones[schedule_ms], run_id)
        yield from self._stretches_add_up()
        yield from self._others(known)
        for records in self.records.values():
            yield from self._records_of(records)
        yield from self._states()

    # -- occurrences -------------------------------------------------------------------------

    def _occurrence(self, one: Expected, run_id: str) -> Iterator[Finding]:
        self.tally.occurrences += 1
        run = self.runs.get(run_id)
        records = self.records.get(run_id, [])
        skips = [stretch for stretch in self.stretches if stretch.covers(one)]
        self.tally.checks += 1
        if run is None and not skips:
            if records and one.may_be_absent and not any(record.is_heard for record in records):
                self.tally.unheard += 1
            elif records:
                yield self._finding(Fault.UNRECORDED, run_id, "its record has no run")
            elif not one.may_be_absent:
                yield self._finding(Fault.MISSING, run_id, f"{_due(one.due_ms)}; nothing is known")
        if (run is not None or records) and not one.may_fire:
            yield self._finding(Fault.FORBIDDEN, run_id, f"{_due(one.due_ms)}; it must not fire")
        for stretch in skips[:1]:
            self.tally.skipped += 1
            yield from self._skip(one, run_id, stretch)
            if run is None and records and self._was_unheard(stretch.run, records):
                self.tally.unheard += 1
            elif records or run is not None:
                yield self._finding(Fault.CONTRADICTED, run_id, "skipped, and fired")
        if run is not None:
            yield from self._run(run, records)
            yield from self._content(one, records)

    def _skip(self, one: Expected, run_id: str, stretch: Stretch) -> Iterator[Finding]:
        self.tally.checks += 1
        run = stretch.run
        match run.skip_reason:
            case run_pb2.SKIP_REASON_PAUSED:
                fits = one.may_pause
            case run_pb2.SKIP_REASON_CATCH_UP_WINDOW:
                fits = one.may_fire and self._is_old(one, run)
            case run_pb2.SKIP_REASON_UPDATED | run_pb2.SKIP_REASON_DELETED:
                fits = one.ended_ms <= run.update_ms + self.rules.clock_ms
            case run_pb2.SKIP_REASON_OVERLAP | run_pb2.SKIP_REASON_BUFFER_FULL:
                # Nothing else is ever unfinished.
                fits = one.may_fire and self._is_reported()
            case _:
                fits = one.may_fire
        # What may be absent may lie in a stretch of another schedule without being one of it.
        is_its = not one.may_be_absent or len(stretch.generations) == 1
        if is_its and not fits:
            reason = run_pb2.SkipReason.Name(run.skip_reason)
            yield self._finding(Fault.MISJUDGED, run_id, f"{_due(one.due_ms)}; skipped as {reason}")

    def _was_unheard(self, skip: Run, records: Sequence[LogRecord]) -> bool:
        """Whether who skipped or ended it could not know of records: who did failed meanwhile."""
        given_ms = max(record.given_ms for record in records)
        if given_ms > skip.update_ms + self.rules.clock_ms:
            return False
        # Of a stretch it is not known when each of them was skipped.
        since_ms = skip.update_ms if skip.skipped_count <= 1 else skip.create_ms
        if any(
            epoch == skip.epoch and told_ms < since_ms - self.rules.clock_ms
            for record in records
            for epoch, told_ms in record.told
        ):
            return False
        return max(record.fence for record in records) < skip.epoch or any(
            begun_ms <= skip.update_ms and given_ms <= ended_ms
            for begun_ms, ended_ms in self.rules.failovers or ()
        )

    def _is_old(self, one: Expected, run: Run) -> bool:
        """Whether it was older than its job's window when that was recorded."""
        for version in self.case.subject.versions:
            window = version.job.spec.catch_up_window
            if version.job.spec.HasField("catch_up_window"):
                age_ms = run.update_ms - one.due_ms
                if age_ms + self.rules.clock_ms > window.ToMilliseconds():
                    return True
        return False

    def _content(self, one: Expected, records: Sequence[LogRecord]) -> Iterator[Finding]:
        versions = self.case.subject.versions
        for record in records:
            self.tally.checks += 1
            if not any(
                version.job.payload.data == record.value
                and version.job.spec.target.topic == record.topic
                and version.made_ms <= record.given_ms + self.rules.clock_ms
                for version in versions[one.first :]
            ):
                yield self._finding(
                    Fault.OUTDATED,
                    record.run_id,
                    f"{_due(one.due_ms)}; the content at {record.place}",
                )

    def _stretches_add_up(self) -> Iterator[Finding]:
        """Each is counted whole, once: in the window in which it begins, or the first that has it.

        An occurrence that is lost inside of it is seen by this alone.
        """
        rules = self.rules
        for stretch in self.stretches:
            run = stretch.run
            is_begun = run.due_ms < rules.start_ms
            is_earlier = is_begun and not (rules.is_first and stretch.reaches(rules.start_ms))
            if is_earlier or run.due_ms >= rules.end_ms:
                continue
            self.tally.checks += 1
            text = stretch.miscount()
            if text:
                yield self._finding(Fault.CONTRADICTED, run.run_id, text)

    # -- runs --------------------------------------------------------------------------------

    def _others(self, known: set[str]) -> Iterator[Finding]:
        """Runs that no schedule made, and those that should not be."""
        for run_id, run in self.runs.items():
            if run_id in known:
                continue
            if run.trigger is Trigger.SCHEDULE:
                if self._is_judged(run.due_ms):
                    yield self._finding(Fault.UNEXPECTED, run_id, _due(run.due_ms))
            elif run.due_ms < self.rules.end_ms:
                self.tally.manual += 1
                yield from self._run(run, self.records.get(run_id, []))
        for run_id, records in self.records.items():
            if run_id in known or run_id in self.runs or not self._is_judged(records[0].due_ms):
                continue
            skip = self._skip_of_backfill(run_id)
            if skip is None:
                yield self._finding(Fault.UNRECORDED, run_id, _due(records[0].due_ms))
            elif self._was_unheard(skip, records):
                self.tally.unheard += 1
            else:
                yield self._finding(Fault.CONTRADICTED, run_id, "skipped, and on the log")

    def _skip_of_backfill(self, run_id: str) -> Run | None:
        """The record of a backfill that stands for a run among others that it has skipped."""
        nominal_ms = run_id_instant_ms(run_id)
        if nominal_ms is None:
            return None
        stretches = (
            run
            for run in self.runs.values()
            if run.state is RunState.SKIPPED
            and run.first_schedule_ms <= nominal_ms <= run.last_schedule_ms
            and backfill_run_id(nominal_ms, run.backfill_id) == run_id
        )
        return next(stretches, None)

    def _is_judged(self, due_ms: int) -> bool:
        """Whether it came due in the window; a one-off job's past instant, when that was set."""
        came_ms = self.case.subject.job.could_run_ms(due_ms)
        return self.rules.start_ms <= due_ms and came_ms < self.rules.end_ms

    def _run(self, run: Run, records: Sequence[LogRecord]) -> Iterator[Finding]:
        self.tally.checks += 1
        match run.state:
            case RunState.SUCCEEDED:
                self.tally.published += 1
                if not any(self._is_its(run, record) for record in records):
                    yield self._finding(Fault.VANISHED, run.run_id, f"offset {run.offset}")
            case RunState.FAILED | RunState.CANCELLED:
                self.tally.failed += 1
            case RunState.SKIPPED:
                self.tally.skipped += 1
                is_own = run.trigger is not Trigger.SCHEDULE
                if is_own and records and self._was_unheard(run, records):
                    self.tally.unheard += 1
                elif records:
                    yield self._finding(Fault.CONTRADICTED, run.run_id, "skipped, and on the log")
            case _:
                yield self._finding(Fault.UNFINISHED, run.run_id, f"{run.state.name} for ever")

    @staticmethod
    def _is_its(run: Run, record: LogRecord) -> bool:
        return record.attempt == run.attempt and run.offset in (-1, record.offset)

    def _states(self) -> Iterator[Finding]:
        """One final state."""
        by_run: dict[str, dict[RunState, RunStatus]] = {}
        for state in self.case.states:
            ends = by_run.setdefault(state.run_id, {})
            if state.state.is_final:
                ends.setdefault(state.state, RunStatus.of(state))
        for run_id, ends in by_run.items():
            self.tally.checks += 1
            if len(ends) > 1:
                yield self._finding(Fault.CONTRADICTED, run_id, two_ends(ends.values()))

    # -- records -----------------------------------------------------------------------------

    def _records_of(self, records: Sequence[LogRecord]) -> Iterator[Finding]:
        """The records of one run."""
        by_attempt: dict[int, list[LogRecord]] = {}
        for record in records:
            by_attempt.setdefault(record.attempt, []).append(record)
            self.tally.checks += 2
            late_ms = record.given_ms - record.due_ms
            if late_ms < -self.rules.clock_ms:
                yield self._finding(Fault.EARLY, record.run_id, f"by {-late_ms} ms")
            if not self._is_after_the_fact(record):
                self.tally.add_lateness(record.given_ms - self._late_from_ms(record))
            since_ms = self._ended_ms(record)
            if since_ms is not None and record.given_ms > since_ms + self.rules.clock_ms:
                yield self._finding(
                    Fault.STALE,
                    record.run_id,
                    f"fence {record.fence}, given {record.given_ms - since_ms} ms after its end",
                )
        yield from self._other_ids(records[0].run_id, by_attempt)
        for same in by_attempt.values():
            yield from self._duplicates(same)

    def _other_ids(
        self, run_id: str, by_attempt: Mapping[int, Sequence[LogRecord]]
    ) -> Iterator[Finding]:
        """Whether an occurrence is there under a `ce_id` too many: each attempt has its own."""
        run, last = self.runs.get(run_id), max(by_attempt)
        if len(by_attempt) > 1 and not self._is_reported():
            text = f"attempts {sorted(by_attempt)} are all there"
            yield self._finding(Fault.DOUBLED, run_id, text)
        elif run is not None and run.state.is_final and last > run.attempt:
            # Whoever ended it may have been told of the attempt, but had it tried anew by then.
            is_formers = all(record.fence < run.epoch for record in by_attempt[last])
            if is_formers or self._was_unheard(run, by_attempt[last]):
                self.tally.unheard += 1
                return
            text = f"attempt {last} is there, and it ended with attempt {run.attempt}"
            yield self._finding(Fault.DOUBLED, run_id, text)

    def _duplicates(self, records: Sequence[LogRecord]) -> Iterator[Finding]:
        ordered = sorted(records, key=lambda record: record.given_ms)
        run = self.runs.get(records[0].run_id)
        over_ms = run.update_ms if run is not None and run.state.is_final else FOR_EVER_MS
        for first, second in pairwise(ordered):
            self.tally.duplicates += 1
            self.tally.checks += 1
            same = (first.topic, first.key, first.value) == (second.topic, second.key, second.value)
            if not same and first.fence == second.fence and len(self.case.subject.versions) == 1:
                yield self._finding(Fault.DOUBLED, first.run_id, "the contents differ")
            elif second.given_ms - max(over_ms, first.given_ms) > WIRE_MS:
                # Whoever has the fence, then or later, knew that it was done.
                yield self._finding(
                    Fault.DOUBLED,
                    first.run_id,
                    f"given at {format_instant(first.given_ms)}, and again "
                    f"{second.given_ms - over_ms} ms after it had ended, at {second.place}, "
                    f"fences {first.fence} and {second.fence}",
                )
            elif self.rules.failovers is not None and not any(
                begun_ms <= second.given_ms and first.given_ms <= ended_ms
                for begun_ms, ended_ms in self.rules.failovers
            ):
                yield self._finding(
                    Fault.DOUBLED,
                    first.run_id,
                    f"given at {format_instant(first.given_ms)} and "
                    f"{format_instant(second.given_ms)}, nothing failed over",
                )

    def _is_after_the_fact(self, record: LogRecord) -> bool:
        """Whether it could not come when it was due, so that it is not late."""
        run = self.runs.get(record.run_id)
        is_backfill = run is not None and run.trigger is Trigger.BACKFILL
        return is_backfill or self.case.subject.job.could_run_ms(record.due_ms) > record.due_ms

    def _late_from_ms(self, record: LogRecord) -> int:
        """When an attempt could go first: it may have waited, or a limit have held it back."""
        run = self.runs.get(record.run_id)
        if run is None:
            return record.due_ms
        known = {past.attempt: past.due_ms for past in run.past_attempts}
        known[run.attempt] = run.attempt_due_ms
        return max(record.due_ms, known.get(record.attempt, 0))

    def _ended_ms(self, record: LogRecord) -> int | None:
        """When the record's fence was followed by a higher one."""
        owners = self.rules.owners.get(self.case.subject.job.segment, ())
        return next((since_ms for epoch, since_ms in owners if epoch > record.fence), None)

    def _is_reported(self) -> bool:
        return any(
            version.job.spec.completion == job_pb2.COMPLETION_REPORTED
            for version in self.case.subject.versions
        )

    def _finding(self, fault: Fault, run_id: str, text: str) -> Finding:
        return Finding(fault, str(self.case.subject.job.name), run_id, text)


def _due(at_ms: int) -> str:
    return f"due {format_instant(at_ms)}"
