"""What workers are told of a run."""

import pytest

from scheduler.making import NOW, entry_of, load, make_job, make_owner
from tickwheel.server.scheduler.assignment import messages
from tickwheel.v1 import job_pb2


def headers_of(completion: "job_pb2.Completion", **own: str) -> dict[str, str]:
    job = make_job(at_ms=NOW + 1_000)
    job.spec.completion = completion
    job.spec.target.headers.update(own)
    runs = load(make_owner(), job, entry_of(job, NOW + 1_000))
    (message,) = messages(runs, {0: 1})
    (assignment,) = message.assignments.assignments
    return dict(assignment.headers)


def test_a_record_says_that_nobody_waits_for_a_report() -> None:
    assert headers_of(job_pb2.COMPLETION_PUBLISHED, team="billing") == {
        "team": "billing",
        "tickwheel-completion": "published",
    }


@pytest.mark.parametrize("claimed", ["published", "reported"])
def test_a_jobs_own_headers_do_not_say_so(claimed: str) -> None:
    own = {"team": "billing", "tickwheel-completion": claimed}
    assert headers_of(job_pb2.COMPLETION_REPORTED, **own) == {"team": "billing"}
    assert headers_of(job_pb2.COMPLETION_PUBLISHED, **own)["tickwheel-completion"] == "published"
