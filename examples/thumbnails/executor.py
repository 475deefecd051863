"""Makes thumbnails: one handler looks for pictures and asks for work, the other one does it.

Start as many of these as you like; they share the work. See README.md.
"""

import asyncio
import os
import zlib
from datetime import timedelta
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp
from PIL import Image, UnidentifiedImageError

from tickwheel.client import ApiError, Client, Executor, NotRetryable, RunContext
from tickwheel.v1 import job_pb2, job_service_pb2, schedule_pb2, target_pb2

ADDRESS = os.environ.get("TICKWHEEL_ADDRESS", "127.0.0.1:7420")
SCAN = "thumbnails.scan"
MAKE = "thumbnails.make"
SIZE = (160, 160)
MOST_AT_ONCE = 1_000

executor = Executor(ADDRESS, group="thumbnails", concurrency=8)


@executor.handler(SCAN, concurrency=1)
async def scan(ctx: RunContext) -> dict[str, int]:
    """Looks for pictures that have no thumbnail yet, and makes a job of each."""
    folders = ctx.payload["pictures"], ctx.payload["thumbnails"]
    requests = await asyncio.to_thread(_requests, *folders)
    owner = "/".join(ctx.job.split("/")[:2])
    if not requests:
        return {"missing": 0, "asked for": 0}
    async with Client(ADDRESS) as client:
        results = await client.batch_create_jobs(owner, requests[:MOST_AT_ONCE])
    refused = [result for result in results if isinstance(result, ApiError)]
    if refused:
        raise refused[0]
    return {"missing": len(requests), "asked for": len(results)}


def _requests(pictures: str, thumbnails: str) -> list[job_service_pb2.CreateJobRequest]:
    target = Path(thumbnails)
    target.mkdir(parents=True, exist_ok=True)
    return [
        _request(picture, target / f"{picture.stem}.jpg")
        for picture in sorted(Path(pictures).glob("*.png"))
        if not (target / f"{picture.stem}.jpg").exists()
    ]


def _request(picture: Path, thumbnail: Path) -> job_service_pb2.CreateJobRequest:
    """A one-off job; for the same picture the same one, however often it is found."""
    changed = picture.stat().st_mtime_ns
    name = f"{zlib.crc32(f'{picture}@{changed}'.encode()):08x}"
    job = job_pb2.Job(
        # In the past, so due at once, and the same each time.
        schedule=schedule_pb2.Schedule(at=Timestamp(seconds=changed // 10**9)),
        target=target_pb2.Target(topic=MAKE, key=picture.name),
        completion=job_pb2.COMPLETION_REPORTED,
        labels={"example": "thumbnails"},
    )
    job.target.payload.json.struct_value.update(
        {"picture": str(picture), "thumbnail": str(thumbnail)}
    )
    job.run_timeout.FromTimedelta(timedelta(seconds=30))
    job.retry_policy.max_retry_count = 3
    job.retry_policy.initial_backoff.FromTimedelta(timedelta(seconds=1))
    job.retention.FromTimedelta(timedelta(hours=1))
    return job_service_pb2.CreateJobRequest(
        job_id=f"thumbnail-{name}", request_id=f"thumbnail-{name}", job=job
    )


@executor.handler(MAKE)
def make(ctx: RunContext) -> dict[str, int]:
    """Makes one thumbnail. May be called twice for the same: the second time changes nothing."""
    picture, thumbnail = Path(ctx.payload["picture"]), Path(ctx.payload["thumbnail"])
    if zlib.crc32(picture.name.encode()) % 10 == 0 and ctx.attempt == 1:
        raise OSError(f"{picture.name}: one of ten fails the first time, on purpose")
    try:
        image = Image.open(picture)
    except FileNotFoundError as error:
        raise NotRetryable(f"{picture} is gone") from error
    except UnidentifiedImageError as error:
        raise NotRetryable(f"{picture} is no picture") from error
    ctx.progress(0.1, "opened")
    with image:
        image.thumbnail(SIZE)
        ctx.progress(0.8, "made small")
        # Whoever looks sees a whole file or none; the name is of this attempt's alone.
        unfinished = thumbnail.with_suffix(f".{ctx.attempt}-{os.getpid()}.part")
        image.convert("RGB").save(unfinished, "JPEG")
    unfinished.rename(thumbnail)
    return {"width": image.width, "height": image.height, "bytes": thumbnail.stat().st_size}


if __name__ == "__main__":
    executor.run()
