"""The servers' commands of the `tickwheel` command line."""

import os
from typing import Annotated, Any

import typer

from tickwheel.server import cli_audit, cli_bench, cli_debug

GrpcAddress = Annotated[
    str | None,
    typer.Option(help="host:port on which gRPC is served.", envvar="TICKWHEEL_GRPC_ADDRESS"),
]
Advertised = Annotated[
    str | None,
    typer.Option(
        help="host:port by which others reach this scheduler [default: the gRPC address].",
        envvar="TICKWHEEL_ADVERTISED_ADDRESS",
    ),
]
StoreName = Annotated[
    str | None, typer.Option(help="cassandra or sqlite.", envvar="TICKWHEEL_STORE")
]
ContactPoints = Annotated[
    str | None,
    typer.Option(
        help="host:port of Cassandra nodes, comma separated.",
        envvar="TICKWHEEL_CASSANDRA_CONTACT_POINTS",
    ),
]
Keyspace = Annotated[
    str | None, typer.Option(help="Cassandra keyspace.", envvar="TICKWHEEL_CASSANDRA_KEYSPACE")
]
Data = Annotated[
    str | None,
    typer.Option(
        help="Data directory of the embedded engine, or :memory: "
        "[default: in the user's data folder].",
        envvar="TICKWHEEL_DATA",
    ),
]
PerUser = Annotated[
    int | None,
    typer.Option(
        help="Unfinished reported runs of one user at once, over the whole cluster; 0: any.",
        envvar="TICKWHEEL_MAX_IN_FLIGHT_PER_USER",
    ),
]
PerTopic = Annotated[
    str | None,
    typer.Option(
        help="Likewise by topic: one number for each topic, or billing=20,*=100.",
        envvar="TICKWHEEL_MAX_IN_FLIGHT_PER_TOPIC",
    ),
]
TopicRate = Annotated[
    str | None,
    typer.Option(
        help="Runs per second by topic, over the whole cluster: as above.",
        envvar="TICKWHEEL_DISPATCH_RATE_PER_TOPIC",
    ),
]
MetricsAddress = Annotated[
    str | None,
    typer.Option(
        help="host:port on which metrics are served for Prometheus; empty for none "
        "[default: 127.0.0.1:7490].",
        envvar="TICKWHEEL_METRICS_ADDRESS",
    ),
]
OtlpEndpoint = Annotated[
    str | None,
    typer.Option(
        help="http://host:port of an OpenTelemetry Collector (OTLP over gRPC) [default: none].",
        envvar="TICKWHEEL_OTLP_ENDPOINT",
    ),
]
TraceRatio = Annotated[
    float | None,
    typer.Option(
        help="Part of the traces that begin here and are kept [default: 0.01].",
        envvar="TICKWHEEL_TRACE_RATIO",
    ),
]
LogLevel = Annotated[
    str | None, typer.Option(help="debug, info, warning or error.", envvar="TICKWHEEL_LOG_LEVEL")
]
LogFormat = Annotated[
    str | None, typer.Option(help="console or json.", envvar="TICKWHEEL_LOG_FORMAT")
]


def register(app: typer.Typer) -> None:
    """Adds dev, api, scheduler, migrate, audit and bench."""
    # gRPC's own notes on standard error (a fork, a port) are not for users; we say what matters.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    app.command("dev")(dev)
    app.command("api")(api)
    app.command("scheduler")(scheduler)
    app.command("migrate")(migrate)
    cli_audit.register(app)
    cli_bench.register(app)
    cli_debug.register(app)


def dev(
    data: Data = None,
    grpc_address: GrpcAddress = None,
    http_address: Annotated[
        str | None,
        typer.Option(
            help="host:port on which the gateway serves HTTP.", envvar="TICKWHEEL_HTTP_ADDRESS"
        ),
    ] = None,
    gateway: Annotated[
        str | None,
        typer.Option(
            help="The gateway's program [default: tickwheel-gateway on PATH].",
            envvar="TICKWHEEL_GATEWAY",
        ),
    ] = None,
    max_in_flight_per_user: PerUser = None,
    max_in_flight_per_topic: PerTopic = None,
    dispatch_rate_per_topic: TopicRate = None,
    metrics_address: MetricsAddress = None,
    otlp_endpoint: OtlpEndpoint = None,
    trace_ratio: TraceRatio = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Runs every part in this process, on the embedded engine; REST by the gateway as a child."""
    from tickwheel.server.dev.main import run_dev

    _run(
        run_dev,
        store="sqlite",
        data=data,
        grpc_address=grpc_address,
        http_address=http_address,
        gateway=gateway,
        max_in_flight_per_user=max_in_flight_per_user,
        max_in_flight_per_topic=max_in_flight_per_topic,
        dispatch_rate_per_topic=dispatch_rate_per_topic,
        metrics_address=metrics_address,
        otlp_endpoint=otlp_endpoint,
        trace_ratio=trace_ratio,
        log_level=log_level,
        log_format=log_format,
    )


def api(
    grpc_address: GrpcAddress = None,
    store: StoreName = None,
    cassandra_contact_points: ContactPoints = None,
    cassandra_keyspace: Keyspace = None,
    data: Data = None,
    metrics_address: MetricsAddress = None,
    otlp_endpoint: OtlpEndpoint = None,
    trace_ratio: TraceRatio = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Runs the api: takes, checks and stores jobs. Any number of replicas."""
    from tickwheel.server.wiring.api import run_api

    _run(
        run_api,
        grpc_address=grpc_address,
        store=store,
        cassandra_contact_points=cassandra_contact_points,
        cassandra_keyspace=cassandra_keyspace,
        data=data,
        metrics_address=metrics_address,
        otlp_endpoint=otlp_endpoint,
        trace_ratio=trace_ratio,
        log_level=log_level,
        log_format=log_format,
    )


def scheduler(
    grpc_address: GrpcAddress = None,
    advertised_address: Advertised = None,
    store: StoreName = None,
    cassandra_contact_points: ContactPoints = None,
    cassandra_keyspace: Keyspace = None,
    data: Data = None,
    max_in_flight_per_user: PerUser = None,
    max_in_flight_per_topic: PerTopic = None,
    dispatch_rate_per_topic: TopicRate = None,
    metrics_address: MetricsAddress = None,
    otlp_endpoint: OtlpEndpoint = None,
    trace_ratio: TraceRatio = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Runs a scheduler: finds what is due and streams it to workers. Any number of replicas."""
    from tickwheel.server.wiring.scheduler import run_scheduler

    _run(
        run_scheduler,
        grpc_address=grpc_address,
        advertised_address=advertised_address,
        store=store,
        cassandra_contact_points=cassandra_contact_points,
        cassandra_keyspace=cassandra_keyspace,
        data=data,
        max_in_flight_per_user=max_in_flight_per_user,
        max_in_flight_per_topic=max_in_flight_per_topic,
        dispatch_rate_per_topic=dispatch_rate_per_topic,
        metrics_address=metrics_address,
        otlp_endpoint=otlp_endpoint,
        trace_ratio=trace_ratio,
        log_level=log_level,
        log_format=log_format,
    )


def migrate(
    store: StoreName = None,
    cassandra_contact_points: ContactPoints = None,
    cassandra_keyspace: Keyspace = None,
    cassandra_replication: Annotated[
        int | None,
        typer.Option(
            help="Replication factor of a new keyspace.", envvar="TICKWHEEL_CASSANDRA_REPLICATION"
        ),
    ] = None,
    segments: Annotated[
        int | None,
        typer.Option(
            help="Segments of a new store, 1-4096; fixed when it is made.",
            envvar="TICKWHEEL_SEGMENTS",
        ),
    ] = None,
    data: Data = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Makes or updates the schema. Safe to run twice, and from two places at once."""
    from tickwheel.server.wiring.migrate import run_migrate

    _run(
        run_migrate,
        store=store,
        cassandra_contact_points=cassandra_contact_points,
        cassandra_keyspace=cassandra_keyspace,
        cassandra_replication=cassandra_replication,
        segments=segments,
        data=data,
        log_level=log_level,
        log_format=log_format,
    )


def _run(main: Any, **flags: object) -> None:
    """Runs a process's main coroutine function with the settings; flags win over environment."""
    import uvloop

    from tickwheel.server.cli_settings import settings_of
    from tickwheel.server.domain.errors import TickwheelError
    from tickwheel.server.store.sqlite import DataInUseError
    from tickwheel.server.wiring.logs import configure_logs

    settings = settings_of(**flags)
    configure_logs(settings.log_level, settings.log_format)
    try:
        uvloop.run(main(settings))
    except (TickwheelError, DataInUseError, OSError) as error:
        # What the one who starts it can mend: an address that is taken, a folder that is not ours.
        command = main.__name__.removeprefix("run_")
        typer.echo(f"tickwheel {command}: {error}", err=True)
        raise typer.Exit(1) from error
