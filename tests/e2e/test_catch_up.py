"""The catch-up drill, with a short outage."""

import asyncio
from pathlib import Path

import pytest

from catchup.drill import drill
from catchup.judge import table
from e2e.dev_process import dev_process


@pytest.mark.timeout(300)
def test_each_occurrence_of_an_outage_is_run_or_skipped_as_its_job_says(tmp_path: Path) -> None:
    with dev_process(tmp_path, None) as dev:
        verdicts = asyncio.run(drill(dev, dev.grpc_address, outage_s=8))
    assert not any(verdict.wrong for verdict in verdicts), "\n".join(table(verdicts))
