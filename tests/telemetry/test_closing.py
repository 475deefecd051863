"""A receiver that does not answer does not hold the end of a process up."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tickwheel.worker.telemetry.names import ENDED
from tickwheel.worker.telemetry.setup import Telemetry, TelemetryOptions


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a listener that takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in taken:
            connection.close()


@pytest.mark.timeout(25)
def test_a_receiver_that_never_answers_is_not_waited_for(
    deaf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever waits for it does so for an hour.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600")
    options = TelemetryOptions(service="s", instance="i", version="1", otlp_endpoint=deaf)
    telemetry = Telemetry(options)
    telemetry.counter(ENDED).add(1, "failed")
    for _ in range(600):
        telemetry.tracer.start_span("run").end()
    telemetry.close()
