"""``python -m drills.executor ADDRESS BOOTSTRAP TOPIC EFFECTS``: an executor that takes notes.

Each execution is a line `<pid> <job uid>/<run id>` in the file EFFECTS, when the handler has done
its work; all processes of a drill write to one file.
"""

import asyncio
import os
import random
import sys

from tickwheel.client import Executor, RunContext

#: Handlers at once.
CONCURRENCY = 8


def main() -> None:
    """Executes what comes on the topic until it is killed or told to stop."""
    address, bootstrap, topic, effects = sys.argv[1:]
    executor = Executor(
        address,
        group=topic,
        kafka_bootstrap=bootstrap or None,
        concurrency=CONCURRENCY,
        session_timeout=6.0,
    )
    # One write of a line of this length is never mixed with another one's.
    notes = os.open(effects, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    @executor.handler(topic)
    async def work(ctx: RunContext) -> None:
        await asyncio.sleep(random.uniform(0.01, 0.05))
        os.write(notes, f"{os.getpid()} {ctx.event_id.rpartition('/')[0]}\n".encode())
        await asyncio.sleep(random.uniform(0.0, 0.02))

    executor.run()


if __name__ == "__main__":
    main()
