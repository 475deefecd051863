"""Holds what clients were told against what the store has."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tickwheel.server.audit.facts import FOR_EVER_MS, Subject
from tickwheel.server.audit.findings import Fault, Finding, Tally
from tickwheel.server.domain.names import JobName
from tickwheel.server.domain.run import Run


@dataclass(frozen=True, slots=True)
class Created:
    """A creation was acknowledged."""

    name: JobName
    uid: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A change was acknowledged, with the version that the job has by it."""

    name: JobName
    uid: str
    version: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """A deletion was acknowledged."""

    name: JobName
    at_ms: int


@dataclass(frozen=True, slots=True)
class Triggered:
    """A run by hand was acknowledged."""

    name: JobName
    run_id: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A creation was refused; nobody else asked for that id."""

    name: JobName


Promise = Created | Changed | Deleted | Triggered | Refused


def sure_times(
    promises: Iterable[Promise], subjects: Mapping[str, Subject]
) -> dict[str, dict[int, int]]:
    """By job and version, when a client was told that it holds.

    A deletion's answer does not say which job of the name it was about: it is the one that was
    deleted last before it.
    """
    sure: dict[str, dict[int, int]] = {}

    def told(uid: str, version: int, at_ms: int) -> None:
        of_job = sure.setdefault(uid, {})
        of_job[version] = min(of_job.get(version, FOR_EVER_MS), at_ms)

    names = _by_name(subjects.values())
    for promise in promises:
        if isinstance(promise, Changed):
            told(promise.uid, promise.version, promise.at_ms)
        elif isinstance(promise, Deleted):
            gone = _deleted_before(names.get(promise.name, ()), promise.at_ms)
            if gone is not None:
                told(gone.job.uid, gone.job.version, promise.at_ms)
    return sure


def check_promises(
    promises: Iterable[Promise],
    subjects: Mapping[str, Subject],
    runs: Mapping[tuple[str, str], Run],
    tally: Tally,
) -> Iterator[Finding]:
    """What clients were told and is not so.

    Args:
        promises: what they were told.
        subjects: all jobs, also deleted ones, by uid.
        runs: runs that were triggered by hand, by uid of the job and run id.
        tally: is counted into.
    """
    names = _by_name(subjects.values())
    requests: dict[tuple[JobName, str], str] = {}
    for promise in promises:
        tally.checks += 1
        match promise:
            case Created(name, uid, request_id):
                if uid not in subjects:
                    yield Finding(Fault.JOB_LOST, str(name), "", f"uid {uid}")
                if request_id and requests.setdefault((name, request_id), uid) != uid:
                    yield Finding(Fault.JOB_LOST, str(name), "", f"{request_id} made two jobs")
            case Changed(name, uid, version, _):
                subject = subjects.get(uid)
                if subject is None or subject.job.version < version:
                    yield Finding(Fault.CHANGE_LOST, str(name), "", f"version {version}")
            case Deleted(name, at_ms):
                if _deleted_before(names.get(name, ()), at_ms) is None:
                    yield Finding(Fault.CHANGE_LOST, str(name), "", "the deletion")
            case Triggered(name, run_id, request_id):
                if not any((one.job.uid, run_id) in runs for one in names.get(name, ())):
                    yield Finding(Fault.TRIGGER_LOST, str(name), run_id, "not in the history")
                first = requests.setdefault((name, request_id), run_id) if request_id else run_id
                if first != run_id:
                    yield Finding(Fault.DOUBLED, str(name), run_id, f"{request_id} made {first}")
            case Refused(name):
                if name in names:
                    yield Finding(Fault.STORED, str(name), "", "though it was refused")


def _by_name(subjects: Iterable[Subject]) -> dict[JobName, list[Subject]]:
    names: dict[JobName, list[Subject]] = {}
    for subject in subjects:
        names.setdefault(subject.job.name, []).append(subject)
    return names


def _deleted_before(subjects: Sequence[Subject], at_ms: int) -> Subject | None:
    gone = [one for one in subjects if one.job.delete_ms]
    return max(gone, key=lambda one: (one.job.delete_ms <= at_ms, one.job.delete_ms), default=None)
