"""What was measured last, as it is kept in the repository: the model and docs/scale.md go by it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from scale.coefficients import Coefficients
from scale.dev_mode import DevMode
from scale.memory import Held
from scale.rounds import Round, Row, rows
from scale.tally import Simulated

KEPT = Path(__file__).with_name("measured.json")

_MS = 1e-3
#: Figures are for a thousand runs.
_EACH = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All of it; what was never measured is empty."""

    coefficients: Coefficients
    processes: Sequence[Row] = ()
    simulation: Sequence[Simulated] = ()
    #: Of W6, the figures by engine.
    stored: Mapping[str, Mapping[str, float | None]] = field(
        default_factory=dict[str, Mapping[str, float | None]]
    )
    #: By engine.
    memory: Mapping[str, Sequence[Held]] = field(default_factory=dict[str, Sequence[Held]])
    dev: DevMode | None = None


def kept() -> Measured:
    """As the repository has it."""
    data: dict[str, Any] = json.loads(KEPT.read_text())
    return Measured(
        coefficients=Coefficients(**data["coefficients"]),
        processes=[Row(**each) for each in data["processes"]],
        simulation=[Simulated(**each) for each in data["simulation"]],
        stored=data["stored"],
        memory={engine: [Held(**each) for each in held] for engine, held in data["memory"].items()},
        dev=DevMode(**data["dev"]) if data["dev"] else None,
    )


def keep(measured: Measured) -> None:
    """Puts it into the repository."""
    KEPT.write_text(json.dumps(asdict(measured), indent=1) + "\n")


def renewed(former: Measured, report: Path) -> Measured:
    """The former one with what a folder of reports has in its place."""
    measured = former
    if lines := _lines(report / "processes.jsonl"):
        measured = replace(measured, processes=rows(Round(**each) for each in lines))
    if lines := _lines(report / "simulation.jsonl"):
        measured = replace(measured, simulation=[Simulated(**each) for each in lines])
    if standing := _document(report / "standing.json"):
        slope = standing["slopes"]
        measured = _with(
            measured,
            scheduler_base=slope["base"] * _MS,
            owned_segment=slope["owned_segment"] * _MS,
            any_segment=slope["any_segment"] * _MS,
            scheduler_stream=slope["stream"] * _MS,
            worker_base=slope["worker_base"] * _MS,
            worker_stream=slope["worker_stream"] * _MS,
            store_scheduler=slope["store"] * _MS,
        )
    if disk := _document(report / "disk.json"):
        measured = _with(measured, job_bytes=disk["job_bytes"], run_bytes=disk["run_bytes"])
    for engine in ("embedded", "real"):
        if outcome := _document(report / f"stored-{engine}.json"):
            stored = {**measured.stored, engine: outcome["figures"]}
            measured = replace(measured, stored=stored)
        if held := _document(report / f"memory-{engine}.json"):
            memory = {**measured.memory, engine: [Held(**each) for each in held]}
            measured = replace(measured, memory=memory)
    if dev := _document(report / "dev.json"):
        measured = replace(measured, dev=DevMode(**dev))
    if lines := _lines(report / "stored-real.jsonl"):
        measured = _with(measured, **_hops([line["many"] for line in lines]))
    return measured


def _hops(samples: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What each process of the whole way spends on a run, and on a job that is created."""

    def each(stage: str, kind: str) -> float:
        sums = [
            sum(value for name, value in sample[stage].items() if name.startswith(kind))
            for sample in samples
        ]
        return median(sums) * _EACH

    return {
        "scheduler_run": each("firing", "scheduler-"),
        "worker_run": each("firing", "worker-"),
        "store_run": each("firing", "cassandra-"),
        "broker_run": each("firing", "kafka-"),
        "store_job": each("submitting", "cassandra-"),
        "api_job": each("submitting", "api-"),
    }


def _with(measured: Measured, **values: float) -> Measured:
    # A slope below nothing is lost in the noise: it costs nothing that can be measured.
    positive = {name: max(0.0, value) for name, value in values.items()}
    return replace(measured, coefficients=replace(measured.coefficients, **positive))


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _document(file: Path) -> Any:
    return json.loads(file.read_text()) if file.exists() else None
