"""Links between hosts: how long a message takes, and whether it arrives."""

import random
from dataclasses import dataclass, field

from simulator.chance import Chance
from simulator.loop import SimLoop

#: A connection whose packets are not acknowledged for this long breaks on the sender's side.
TCP_TIMEOUT_US = 15_000_000


@dataclass(slots=True)
class Weather:
    """What is wrong with one direction of a link, until when, microseconds since the beginning."""

    cut_until_us: int = 0
    slow_until_us: int = 0
    #: While it is slow, a message takes up to so much longer.
    slow_us: int = 0
    #: While it is slow, a call is lost with this probability.
    loss: float = 0.0


@dataclass(slots=True)
class _Way:
    chance: random.Random
    weather: Weather = field(default_factory=Weather)


class Network:
    """All links, by the names of the hosts at their ends, each direction by itself."""

    def __init__(self, loop: SimLoop, chance: Chance) -> None:
        self._loop = loop
        self._chance = chance
        self._ways: dict[tuple[str, str], _Way] = {}

    def weather(self, source: str, target: str) -> Weather:
        """What is wrong with a direction; may be changed."""
        return self._way(source, target).weather

    def weathers(self) -> list[Weather]:
        """Of all directions that were ever asked for."""
        return [way.weather for way in self._ways.values()]

    def travel_us(self, source: str, target: str) -> int:
        """How long a message that is sent now takes, if nothing cuts it off."""
        way = self._way(source, target)
        pick = way.chance.random()
        # Most within a millisecond, one of a hundred up to 40.
        travel_us = 100 + int(pick * 900) if pick < 0.99 else 1_000 + int((pick - 0.99) * 4e6)
        weather = way.weather
        if weather.slow_until_us > self._loop.now_us:
            travel_us += int(way.chance.random() * weather.slow_us)
        return travel_us

    def cut_us(self, source: str, target: str) -> int:
        """For how long from now nothing gets through; 0 if it does."""
        return max(0, self._way(source, target).weather.cut_until_us - self._loop.now_us)

    def loses(self, source: str, target: str) -> bool:
        """Whether a single call that is sent now is lost on the way."""
        way = self._way(source, target)
        weather = way.weather
        return weather.slow_until_us > self._loop.now_us and way.chance.random() < weather.loss

    def _way(self, source: str, target: str) -> _Way:
        way = self._ways.get((source, target))
        if way is None:
            way = self._ways[source, target] = _Way(self._chance.stream(f"way/{source}/{target}"))
        return way
