"""The run log of one segment, page by page: do its final states agree with what runs are now?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tickwheel.server.audit.ends import RunStatus, Suspect, contradicts, may_be_late, two_ends
from tickwheel.server.audit.findings import Fault, Finding
from tickwheel.server.domain.names import JobName
from tickwheel.server.domain.run import Run
from tickwheel.server.proof.notebook import Notebook
from tickwheel.server.proof.scope import Scope
from tickwheel.server.store.port import Store

#: Each state may have a result of 64 KiB.
_PAGE_ROWS: Final = 200
#: A state may be stamped this much before its run was due by who is ahead; in ms.
_BEFORE_MS: Final = 60_000


@dataclass(slots=True)
class EndsPage:
    """What a page of the log has."""

    #: Where the log goes on; None: it is read.
    cursor: bytes | None
    #: How many final states were compared.
    compared: int = 0
    suspects: list[Suspect] = field(default_factory=list[Suspect])
    #: By epoch, the last instant at which its owner has recorded something.
    until: dict[int, int] = field(default_factory=dict[int, int])


async def read_page(
    store: Store, notebook: Notebook, scope: Scope, segment: int, cursor: bytes
) -> EndsPage:
    """Compares the final states of a page with the runs' present ones.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    page = await store.runs.page_log(
        segment, cursor, _PAGE_ROWS, start_ms=max(0, scope.start_ms - _BEFORE_MS)
    )
    found = EndsPage(page.cursor)
    for run in page.items:
        found.until[run.epoch] = max(found.until.get(run.epoch, 0), run.update_ms)
    ends = [run for run in page.items if run.state.is_final and scope.has(run.due_ms)]
    known = notebook.knows({run.job_uid for run in ends})
    ends = [run for run in ends if run.job_uid in known]
    if not ends:
        return found
    present = await store.runs.get_many(sorted({(run.job_uid, run.run_id) for run in ends}))
    for end in ends:
        now = present.get((end.job_uid, end.run_id))
        if now is None:
            continue
        found.compared += 1
        if contradicts(RunStatus.of(end), RunStatus.of(now)):
            found.suspects.append(_suspect(end, now))
    return found


def _suspect(end: Run, now: Run) -> Suspect:
    name = JobName(end.user, end.job_id)
    return Suspect(name, end.job_uid, end.run_id, RunStatus.of(end), RunStatus.of(now))


@dataclass(slots=True)
class EndsJudgement:
    """What is said of a segment's suspects once its log is read."""

    findings: list[Finding] = field(default_factory=list[Finding])
    #: How many may be a replaced owner's late word.
    late: int = 0


def judge_suspects(suspects: Iterable[Suspect], until: Mapping[int, int]) -> EndsJudgement:
    """Tells contradictions from what a replaced owner may have recorded late.

    Args:
        suspects: of one segment.
        until: by epoch, the last instant at which its owner has recorded something.
    """
    judgement = EndsJudgement()
    for suspect in suspects:
        end, present = suspect.end, suspect.present
        epoch = min(end.epoch, present.epoch)
        if may_be_late(end, present, until.get(epoch, 0)):
            judgement.late += 1
            continue
        text = two_ends((end, present))
        judgement.findings.append(
            Finding(Fault.CONTRADICTED, str(suspect.name), suspect.run_id, text)
        )
    return judgement
