"""A user's program: executes runs of a topic, with OpenTelemetry set up as users do."""

import os
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tickwheel.client import Executor, RunContext


def main() -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "user-program"}))
    exporter = OTLPSpanExporter(endpoint=os.environ["TICKWHEEL_OTLP_ENDPOINT"], insecure=True)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=200))
    trace.set_tracer_provider(provider)
    executor = Executor()

    @executor.handler(sys.argv[1])
    async def work(ctx: RunContext) -> dict[str, str]:
        with trace.get_tracer("user").start_as_current_span("the user's own work"):
            return {"trace": ctx.traceparent or ""}

    executor.run()
    provider.shutdown()


main()
