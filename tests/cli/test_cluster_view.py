"""What `tickwheel cluster` says besides its tables."""

import pytest

from tickwheel.client.cli.cluster_view import print_cluster
from tickwheel.v1 import cluster_service_pb2 as pb


def shown(cluster: pb.Cluster, capsys: pytest.CaptureFixture[str]) -> str:
    print_cluster(cluster)
    return capsys.readouterr().out


def test_that_nobody_fires_or_publishes_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = pb.Cluster(segment_count=4, unowned_segments=[0, 1, 3])
    told = shown(cluster, capsys)
    assert "no scheduler owns 3 of them, and nothing fires: 0-1, 3" in told
    assert "no worker is connected, and nothing is published" in told
    cluster = pb.Cluster(segment_count=4, workers=[pb.Worker(name="cluster/workers/w1")])
    assert "no scheduler" not in shown(cluster, capsys)
    assert "no worker" not in shown(cluster, capsys)
    # It may have workers.
    silent = pb.Scheduler(name="cluster/schedulers/s", answering=False)
    assert "no worker" not in shown(pb.Cluster(schedulers=[silent]), capsys)
