"""Clients: do the steps of a plan, repeat what got no answer, and keep what they were told."""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from typing import Any

import grpc
from google.rpc import code_pb2

from simulator.calls import Calls
from simulator.chance import Chance
from simulator.jobs import PARENT, fill_schedule, job_message, job_name
from simulator.plan import Step
from simulator.process import SimProcess
from simulator.serving import CallFailed
from simulator.told import Told
from simulator.trace import Trace
from tickwheel.v1 import job_service_pb2 as pb
from tickwheel.v1 import run_pb2

_TIMEOUT_S = 8.0
_AGAIN = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED"})


class Client:
    """All clients of one simulation; each step is a call of its own, or a few."""

    def __init__(
        self,
        process: SimProcess,
        calls: Calls,
        addresses: Sequence[str],
        chance: Chance,
        trace: Trace,
        start_ms: int,
    ) -> None:
        self._process = process
        self._calls = calls
        self._addresses = addresses
        self._chance = chance
        self._trace = trace
        self._start_ms = start_ms
        self.told: list[Told] = []
        #: Steps that are not over.
        self.busy = 0
        #: By request_id, which run is to be retried: the same one with each try.
        self._retried: dict[str, str] = {}

    def begin(self, steps: Sequence[Step]) -> None:
        """Has all steps done, each at its time."""
        for number, step in enumerate(steps):
            self.busy += 1
            self._process.call_in_us(step.at_ms * 1000, self._do, number, step)

    def _do(self, number: int, step: Step) -> None:
        self._process.spawn(self._carry_out(number, step))

    async def _carry_out(self, number: int, step: Step) -> None:
        # By what the step is, not by its number: which does not change when others are left out.
        chance = self._chance.stream(f"step/{step.at_ms}/{step.act}/{step.job}")
        request_id = f"r-{step.at_ms}-{step.act}-{step.job}"
        tries = int(step.args.get("tries", 1))
        act: Coroutine[Any, Any, Told]
        for _ in range(tries):
            act = getattr(self, f"_{step.act}")(step, request_id, chance)
            told = await act
            if told.code not in _AGAIN:
                break
            await self._process.clock.sleep(0.2 + chance.random())
        self.busy -= 1

    # -- acts --------------------------------------------------------------------------------

    async def _create(self, step: Step, request_id: str, chance: random.Random) -> Told:
        request = self._creation(step, step.job, request_id)
        return await self._call(step, "CreateJob", request, chance, request_id)

    async def _batch(self, step: Step, request_id: str, chance: random.Random) -> Told:
        count = int(step.args["count"])
        names = [f"{step.job}-{number}" for number in range(count)]
        request = pb.BatchCreateJobsRequest(
            parent=PARENT,
            requests=[self._creation(step, name, f"{request_id}-{name}") for name in names],
        )
        told = await self._call(step, "BatchCreateJobs", request, chance, request_id)
        for at, name in enumerate(names):
            item = Told(step, "CreateJob", name, told.begun_ms, f"{request_id}-{name}")
            item.ended_ms, item.code = told.ended_ms, told.code
            if told.is_ok:
                result = told.response.results[at]
                item.code = code_pb2.Code.Name(result.error.code)
                item.response = result.job if item.is_ok else None
            told.items.append(item)
        return told

    def _creation(self, step: Step, job_id: str, request_id: str) -> pb.CreateJobRequest:
        named = bool(step.args.get("named", True))
        return pb.CreateJobRequest(
            parent=PARENT,
            job_id=job_id if named else "",
            job=job_message(step.args, self._start_ms),
            request_id=request_id if step.args.get("request", True) else "",
        )

    async def _reschedule(self, step: Step, request_id: str, chance: random.Random) -> Told:
        request = pb.UpdateJobRequest()
        request.job.name = job_name(step.job)
        fill_schedule(request.job, step.args["schedule"], self._start_ms)
        request.update_mask.paths.append("schedule")
        return await self._call(step, "UpdateJob", request, chance)

    async def _retarget(self, step: Step, request_id: str, chance: random.Random) -> Told:
        request = pb.UpdateJobRequest()
        request.job.name = job_name(step.job)
        request.job.target.payload.text = step.args["payload"]
        request.update_mask.paths.append("target.payload")
        return await self._call(step, "UpdateJob", request, chance)

    async def _pause(self, step: Step, request_id: str, chance: random.Random) -> Told:
        request = pb.PauseJobRequest(name=job_name(step.job), reason=step.args.get("reason", ""))
        return await self._call(step, "PauseJob", request, chance)

    async def _resume(self, step: Step, request_id: str, chance: random.Random) -> Told:
        return await self._call(
            step, "ResumeJob", pb.ResumeJobRequest(name=job_name(step.job)), chance
        )

    async def _delete(self, step: Step, request_id: str, chance: random.Random) -> Told:
        return await self._call(
            step, "DeleteJob", pb.DeleteJobRequest(name=job_name(step.job)), chance
        )

    async def _run(self, step: Step, request_id: str, chance: random.Random) -> Told:
        request = pb.RunJobRequest(name=job_name(step.job))
        if step.args.get("request", True):
            request.request_id = request_id
        if "payload" in step.args:
            request.payload.text = step.args["payload"]
        return await self._call(step, "RunJob", request, chance, request.request_id)

    async def _backfill(self, step: Step, request_id: str, chance: random.Random) -> Told:
        """Of a range that ends a second ago, as no clock is off by more."""
        end_ms = self._start_ms + step.at_ms - 1_000
        request = pb.BackfillJobRequest(name=job_name(step.job), request_id=request_id)
        request.start_time.FromMilliseconds(end_ms - step.args["back_ms"])
        request.end_time.FromMilliseconds(end_ms)
        return await self._call(step, "BackfillJob", request, chance, request_id)

    async def _cancel(self, step: Step, request_id: str, chance: random.Random) -> Told:
        """Cancels the newest run that has not ended."""
        listing = pb.ListRunsRequest(parent=job_name(step.job), page_size=20)
        told = await self._call(step, "ListRuns", listing, chance)
        open_runs = (
            [run for run in told.response.runs if not run.HasField("end_time")]
            if (told.is_ok)
            else []
        )
        if not open_runs:
            return told
        return await self._call(
            step, "CancelRun", pb.CancelRunRequest(name=open_runs[0].name), chance
        )

    async def _retry(self, step: Step, request_id: str, chance: random.Random) -> Told:
        """Has the newest run of the schedule that has ended run once more."""
        if request_id not in self._retried:
            listing = pb.ListRunsRequest(parent=job_name(step.job), page_size=20)
            told = await self._call(step, "ListRuns", listing, chance)
            runs = told.response.runs if told.is_ok else ()
            ended = [run.name for run in runs if _is_ended_occurrence(run)]
            if not ended:
                return told
            self._retried.setdefault(request_id, ended[0])
        request = pb.RetryRunRequest(name=self._retried[request_id], request_id=request_id)
        return await self._call(step, "RetryRun", request, chance, request_id)

    async def _read(self, step: Step, request_id: str, chance: random.Random) -> Told:
        request = pb.ListRunsRequest(parent=job_name(step.job), page_size=20)
        return await self._call(step, "ListRuns", request, chance)

    async def _wrong(self, step: Step, request_id: str, chance: random.Random) -> Told:
        """A creation that has to be refused; which rule it breaks is in the arguments."""
        request = pb.CreateJobRequest(
            parent=PARENT, job_id=step.job, job=job_message(step.args, self._start_ms)
        )
        match step.args["breaks"]:
            case "schedule":
                request.job.ClearField("schedule")
            case "cron":
                request.job.schedule.cron = "61 * * * *"
            case "period":
                request.job.schedule.every.FromMilliseconds(999)
            case "topic":
                request.job.target.topic = "not a topic"
            case "size":
                request.job.target.payload.text = "x" * (256 * 1024 + 1)
            case _:
                raise ValueError(step.args["breaks"])
        return await self._call(step, "CreateJob", request, chance)

    # -- calls -------------------------------------------------------------------------------

    async def _call(
        self, step: Step, method: str, request: Any, chance: random.Random, request_id: str = ""
    ) -> Told:
        host = self._process.host
        told = Told(step, method, step.job, host.true_ms(), request_id)
        self.told.append(told)
        try:
            told.response = await self._calls.call(
                host.name,
                chance.choice(self._addresses),
                f"/tickwheel.v1.JobService/{method}",
                request,
                _TIMEOUT_S,
            )
            told.code = "OK"
        except CallFailed as failure:
            told.code, told.details = failure.code.name, failure.details
            if failure.code in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL):
                asyncio.get_running_loop().call_exception_handler(
                    {"message": f"{method} {step.job}: {failure}", "exception": failure}
                )
        told.ended_ms = host.true_ms()
        self._trace.note("told", method, step.job, told.code)
        return told


def _is_ended_occurrence(run: run_pb2.Run) -> bool:
    is_skipped = run.state == run_pb2.RUN_STATE_SKIPPED
    return run.trigger == run_pb2.TRIGGER_SCHEDULE and run.HasField("end_time") and not is_skipped
