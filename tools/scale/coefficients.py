"""What the model goes by, with the commands that measure it."""

from dataclasses import dataclass, field, fields
from typing import Any

_STANDING = "make bench-scale ARGS=standing"
_STORED = 'make bench-scale ARGS="stored real"'
_DISK = "make bench-scale ARGS=disk"


def _measured(unit: str, what: str, command: str) -> Any:
    return field(metadata={"unit": unit, "what": what, "command": command})


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """CPU in cores: CPU seconds for one run, one job, or a second of being there."""

    scheduler_run: float = _measured(
        "CPU-s", "a scheduler, one run (read, handed out, recorded, moved on)", _STORED
    )
    worker_run: float = _measured("CPU-s", "a worker on Kafka, one run", _STORED)
    store_run: float = _measured("CPU-s", "Cassandra, one run, one replica", _STORED)
    store_job: float = _measured("CPU-s", "Cassandra, one job created, one replica", _STORED)
    broker_run: float = _measured("CPU-s", "Kafka, one record of 1 KiB, one replica", _STORED)
    api_job: float = _measured("CPU-s", "an api, one job created in a batch of 1,000", _STORED)
    scheduler_base: float = _measured("of a core", "a scheduler, by itself", _STANDING)
    owned_segment: float = _measured("of a core", "a scheduler, a segment of its own", _STANDING)
    any_segment: float = _measured("of a core", "a scheduler, a segment of anybody's", _STANDING)
    scheduler_stream: float = _measured("of a core", "a scheduler, a worker's stream", _STANDING)
    worker_base: float = _measured("of a core", "a worker, by itself", _STANDING)
    worker_stream: float = _measured("of a core", "a worker, a stream to a scheduler", _STANDING)
    store_scheduler: float = _measured("of a core", "Cassandra, a scheduler that idles", _STANDING)
    job_bytes: float = _measured("bytes", "a job on the disk, beside its payload", _DISK)
    run_bytes: float = _measured("bytes", "a run on the disk: history and run log", _DISK)


def described() -> list[tuple[str, str, str, str]]:
    """Of each: name, unit, what it is, the command that measures it."""
    return [
        (each.name, each.metadata["unit"], each.metadata["what"], each.metadata["command"])
        for each in fields(Coefficients)
    ]
