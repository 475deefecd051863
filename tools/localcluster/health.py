"""Asking a part whether it is ready."""

import urllib.error
import urllib.request

import grpc
from grpc_health.v1 import health_pb2

_TIMEOUT_S = 5.0


def grpc_obstacle(address: str) -> str | None:
    """Why the gRPC server at ``address`` is not ready (gRPC health checking); None when it is."""
    with grpc.insecure_channel(address) as channel:
        # grpc_health's own stub carries no types.
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            return f"{address}: {error}"
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return None
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return f"{address}: it says {status}"


def http_obstacle(address: str) -> str | None:
    """Why ``/readyz`` at ``address`` does not say that it is ready; None when it does."""
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=_TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        return f"{address}: HTTP {error.code}: {error.read(500).decode(errors='replace')}"
    except OSError as error:
        return f"{address}: {error}"
