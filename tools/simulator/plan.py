"""What is to happen in one simulation: who there is, what clients do, what goes wrong.

A plan is data: it is drawn from a seed, written to a file, and cut down until only what matters is
left.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tickwheel.server.scheduler.options import MOST_UNPUBLISHED

Args = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a client does. Times in milliseconds since the beginning."""

    at_ms: int
    #: A method of `simulator.clients.Client`.
    act: str
    #: The job's id, or the first part of several.
    job: str
    args: Args = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong, and for how long. Times in milliseconds since the beginning."""

    at_ms: int
    #: A method of `simulator.faults.Faults`.
    kind: str
    #: A process, or two of them: `source>target`; `store`, `log`.
    target: str
    lasts_ms: int = 0
    args: Args = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One simulation."""

    seed: int
    #: The true time at the beginning, Unix milliseconds.
    start_ms: int
    segments: int = 8
    schedulers: int = 1
    workers: int = 1
    apis: int = 1
    #: How many assignments one worker holds at most.
    window: int = 10_000
    #: How many runs may wait to be published before a scheduler takes in nothing more.
    most_unpublished: int = MOST_UNPUBLISHED
    #: Until here clients act and things go wrong, in milliseconds since the beginning.
    active_ms: int = 60_000
    #: By how much the clocks of apis and schedulers are off at most; those of workers may be more.
    clock_ms: int = 0
    steps: tuple[Step, ...] = ()
    faults: tuple[Fault, ...] = ()

    def without(self, steps: frozenset[int], faults: frozenset[int]) -> "Plan":
        """The same without some of its steps and faults, by their numbers."""
        return replace(
            self,
            steps=tuple(step for at, step in enumerate(self.steps) if at not in steps),
            faults=tuple(fault for at, fault in enumerate(self.faults) if at not in faults),
        )

    def to_json(self) -> str:
        """As text, one step or fault a line."""
        head = asdict(replace(self, steps=(), faults=()))
        lines = [f'  "{key}": {json.dumps(value)}' for key, value in head.items() if value != ()]
        for key, items in (("steps", self.steps), ("faults", self.faults)):
            rows = ",\n".join(f"    {json.dumps(asdict(item))}" for item in items)
            lines.append(f'  "{key}": [\n{rows}\n  ]' if rows else f'  "{key}": []')
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def of_json(cls, text: str) -> "Plan":
        """What `to_json` made.

        Raises:
            ValueError, KeyError, TypeError: the text is no plan.
        """
        data: dict[str, Any] = json.loads(text)
        steps = tuple(Step(**step) for step in data.pop("steps"))
        faults = tuple(Fault(**fault) for fault in data.pop("faults"))
        return cls(**data, steps=steps, faults=faults)
