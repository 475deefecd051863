"""The debug bundle: gathered from outside, by what every part tells anyway."""

import asyncio
import json
import re
import urllib.request
import zipfile
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from http.client import HTTPException, InvalidURL
from itertools import chain, count
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from pydantic import ValidationError

from tickwheel.client import ApiError, Client
from tickwheel.server.logexcerpt import excerpt
from tickwheel.server.settings import Settings
from tickwheel.worker.about import HIDDEN, USERINFO, versions, visible

TIMEOUT_S = 5.0
FAILED_RUNS = 50
LOG_LINES = 1_000
_WHOSE = "taken from the environment of this command; about-….json have those of running parts"


@dataclass(frozen=True, slots=True)
class Sources:
    """What it is gathered from."""

    #: Of the api.
    address: str
    metrics: tuple[str, ...]
    logs: tuple[Path, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the bundle; or why there is none."""

    name: str
    text: str = ""
    missing: str = ""
    #: What has to be known to read it right.
    note: str = ""

    @property
    def said(self) -> str:
        """What became of it, in words."""
        return self.missing or self.note or "taken"


async def gather(sources: Sources) -> list[Part]:
    """All parts; what cannot be had says why."""
    parts = [
        Part("versions.json", _json(versions())),
        _settings(),
    ]
    async with Client(sources.address, timeout=TIMEOUT_S) as client:
        parts.append(await _asked("cluster.json", lambda: _cluster(client)))
        parts.append(await _asked("failed-runs.json", lambda: _failed_runs(client)))
    for place in sources.metrics:
        ending = re.sub(r"[^0-9A-Za-z.-]", "-", place)
        for name, path in (("about-{}.json", "about"), ("metrics-{}.txt", "metrics")):
            url = f"http://{place}/{path}"
            parts.append(await asyncio.to_thread(_fetched, name.format(ending), url))
    parts += [_log(path) for path in sources.logs]
    return _distinct(parts)


def write(target: Path, parts: list[Part], now: datetime) -> None:
    """Writes the file."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        lines = [f"Tickwheel's debug bundle of {now:%Y-%m-%d %H:%M:%S} UTC.", ""]
        lines += [f"{part.name}: {part.said}" for part in parts]
        archive.writestr("README.txt", "\n".join(lines) + "\n")
        for part in parts:
            if not part.missing:
                archive.writestr(part.name, part.text)


def _settings() -> Part:
    try:
        return Part("settings.json", _json(visible(Settings())), note=_WHOSE)
    except ValidationError as error:
        # It has what it refuses in its text.
        wrong = ", ".join(str(problem["loc"][0]) for problem in error.errors())
        return Part("settings.json", missing=f"this command's environment is wrong in {wrong}")


async def _asked(name: str, ask: Callable[[], Awaitable[Any]]) -> Part:
    try:
        return Part(name, _json(await ask()))
    except ApiError as error:
        return Part(name, missing=f"the api does not tell: {error.message} ({error.code.name})")


async def _cluster(client: Client) -> Any:
    return json_format.MessageToDict(await client.get_cluster())


async def _failed_runs(client: Client) -> list[dict[str, Any]]:
    """The last ones, without what they were about: result, details, progress."""
    found: list[dict[str, Any]] = []
    runs = client.list_runs("users/-/jobs/-", filter="state = FAILED", page_size=FAILED_RUNS)
    async with aclosing(runs):
        async for run in runs:
            for one in (run, *run.attempts):
                one.error.ClearField("message")
                one.error.ClearField("details")
            run.ClearField("result")
            run.ClearField("progress")
            found.append(json_format.MessageToDict(run))
            if len(found) == FAILED_RUNS:
                break
    return found


def _fetched(name: str, url: str) -> Part:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return Part(name, answer.read().decode())
    except (OSError, ValueError, InvalidURL) as error:
        return Part(name, missing=f"{url} does not answer: {error}")
    except HTTPException:
        # As at the port of gRPC; what came instead is no text.
        return Part(name, missing=f"what answers at {url} does not speak HTTP")


def _log(path: Path) -> Part:
    place = path.resolve()
    name = f"log-{place.parent.name}-{place.name}"
    try:
        with place.open(errors="replace") as lines:
            kept = excerpt(lines, LOG_LINES)
    except OSError as error:
        return Part(name, missing=f"{place} cannot be read: {error.strerror}")
    text = USERINFO.sub(f"{HIDDEN}@", "".join(kept))
    return Part(name, text, note=f"the last warnings and errors of {place}")


def _distinct(parts: Iterable[Part]) -> list[Part]:
    """Each under a name of its own."""
    taken: set[str] = set()
    distinct: list[Part] = []
    for part in parts:
        stem, dot, ending = part.name.rpartition(".")
        names = (f"{stem}-{number}{dot}{ending}" for number in count(2))
        name = next(one for one in chain([part.name], names) if one not in taken)
        taken.add(name)
        distinct.append(replace(part, name=name))
    return distinct


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=str) + "\n"
