"""A gRPC server that answers CreateJob with the job that it was sent, and does nothing else.

`python -m tickwheel.server.bench.echo_program` listens on a free port of loopback, prints it, and
ends with SIGTERM.
"""

import asyncio
import signal
import sys

import grpc
import uvloop

from tickwheel.v1 import job_pb2, job_service_pb2


async def _create_job(request: job_service_pb2.CreateJobRequest, _: object) -> job_pb2.Job:
    return request.job


async def main() -> None:
    """Serves until SIGTERM."""
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        _create_job,
        request_deserializer=job_service_pb2.CreateJobRequest.FromString,
        response_serializer=job_pb2.Job.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("tickwheel.v1.JobService", {"CreateJob": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await told.wait()
    await server.stop(None)


if __name__ == "__main__":
    uvloop.run(main())
