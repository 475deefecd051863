"""The settings of the one gRPC channel that a client has."""

import grpc

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

# A watch may be silent for hours; the pings find out that the server, or a middlebox, has forgotten
# the connection. A server must allow them: `grpc.http2.min_ping_interval_without_data_ms` of
# 20 s or less, else it ends the connection (ENHANCE_YOUR_CALM).
KEEPALIVE_MS = 30_000
KEEPALIVE_TIMEOUT_MS = 10_000

# gRPC's own waits between two attempts to connect grow to two minutes, and calls fail meanwhile.
RECONNECT_BACKOFF_MS = 100
MAX_RECONNECT_BACKOFF_MS = 2_000


def open_channel(address: str) -> grpc.aio.Channel:
    """A channel that connects when it is first used.

    Args:
        address: `host:port`, or another gRPC name (`dns:///api.example:7420`).
    """
    return grpc.aio.insecure_channel(
        address,
        options=[
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.initial_reconnect_backoff_ms", RECONNECT_BACKOFF_MS),
            ("grpc.max_reconnect_backoff_ms", MAX_RECONNECT_BACKOFF_MS),
        ],
    )
