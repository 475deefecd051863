"""The worker's command of the `tickwheel` command line."""

from typing import Annotated

import typer
from pydantic import ValidationError

from tickwheel.worker.settings import WorkerSettings


def register(app: typer.Typer) -> None:
    """Adds worker."""
    app.command("worker")(worker)


def worker(
    scheduler_addresses: Annotated[
        str | None,
        typer.Option(
            help="host:port of schedulers to begin with, comma separated; they name the others "
            "[default: 127.0.0.1:7420].",
            envvar="TICKWHEEL_SCHEDULER_ADDRESSES",
        ),
    ] = None,
    kafka_bootstrap: Annotated[
        str | None,
        typer.Option(
            help="host:port of Kafka brokers, comma separated [default: 127.0.0.1:9092].",
            envvar="TICKWHEEL_KAFKA_BOOTSTRAP",
        ),
    ] = None,
    worker_id: Annotated[
        str | None,
        typer.Option(
            help="Unique among the living workers [default: host, process and some letters].",
            envvar="TICKWHEEL_WORKER_ID",
        ),
    ] = None,
    worker_window_count: Annotated[
        int | None,
        typer.Option(
            help="Assignments held at once, at most [default: 20000].",
            envvar="TICKWHEEL_WORKER_WINDOW_COUNT",
        ),
    ] = None,
    worker_window_bytes: Annotated[
        int | None,
        typer.Option(
            help="Bytes of assignments held at once, at most [default: 67108864].",
            envvar="TICKWHEEL_WORKER_WINDOW_BYTES",
        ),
    ] = None,
    worker_health_address: Annotated[
        str | None,
        typer.Option(
            help="host:port on which gRPC health is served [default: none].",
            envvar="TICKWHEEL_WORKER_HEALTH_ADDRESS",
        ),
    ] = None,
    metrics_address: Annotated[
        str | None,
        typer.Option(
            help="host:port on which metrics are served for Prometheus; empty for none "
            "[default: 127.0.0.1:7490].",
            envvar="TICKWHEEL_METRICS_ADDRESS",
        ),
    ] = None,
    otlp_endpoint: Annotated[
        str | None,
        typer.Option(
            help="http://host:port of an OpenTelemetry Collector (OTLP over gRPC) [default: none].",
            envvar="TICKWHEEL_OTLP_ENDPOINT",
        ),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(help="debug, info, warning or error.", envvar="TICKWHEEL_LOG_LEVEL"),
    ] = None,
    log_format: Annotated[
        str | None, typer.Option(help="console or json.", envvar="TICKWHEEL_LOG_FORMAT")
    ] = None,
) -> None:
    """Runs a worker: holds assignments and publishes each to Kafka at its instant."""
    flags = {
        "scheduler_addresses": scheduler_addresses,
        "kafka_bootstrap": kafka_bootstrap,
        "worker_id": worker_id,
        "worker_window_count": worker_window_count,
        "worker_window_bytes": worker_window_bytes,
        "worker_health_address": worker_health_address,
        "metrics_address": metrics_address,
        "otlp_endpoint": otlp_endpoint,
        "log_level": log_level,
        "log_format": log_format,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = WorkerSettings(**given)  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"])
            typer.echo(f"tickwheel: {name}: {problem['msg']}", err=True)
        raise typer.Exit(2) from error
    # Not before it is needed: aiokafka and grpc would make every other command slow to start.
    from tickwheel.worker.logs import configure_logs
    from tickwheel.worker.process import run_process

    configure_logs(settings.log_level, settings.log_format)
    run_process(settings)
