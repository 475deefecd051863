"""What came out of a workload."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tickwheel.server.bench.measure import Cost
from tickwheel.server.bench.stats import Lateness

Figure = float | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One workload on one engine."""

    workload: str
    title: str
    engine: str
    #: Another scheduler than this one, measured beside it.
    peer: bool = False
    #: Equal where results of several engines can be set side by side; the title where it is empty.
    alike: str = ""
    #: By name, the unit in it; None where it could not be had.
    figures: Mapping[str, Figure] = field(default_factory=dict[str, Figure])
    lateness: Lateness | None = None
    #: What each process spent.
    costs: tuple[Cost, ...] = ()
    #: What a reader has to know to judge the figures.
    notes: tuple[str, ...] = ()
    #: It broke off; the notes say why.
    failed: bool = False
