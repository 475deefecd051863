"""Instants and durations of the contract as milliseconds, and back."""

from google.protobuf import duration_pb2, timestamp_pb2

from tickwheel.server.schedule import ceil_ms

#: Instants outside are refused: their runs could not be named (a year has four digits).
EARLIEST_S = -2_208_988_800  # 1900-01-01T00:00:00Z
LATEST_S = 253_402_300_799  # 9999-12-31T23:59:59Z
#: The last instant that a Timestamp of whole milliseconds can have.
LATEST_MS = LATEST_S * 1000 + 999
#: Seconds of a Duration are within these, either way (duration.proto): about 10,000 years.
_LONGEST_S = 315_576_000_000


def is_usable(instant: timestamp_pb2.Timestamp) -> bool:
    """Whether the instant lies between the years 1900 and 9999 and its nanoseconds are in range."""
    return EARLIEST_S <= instant.seconds <= LATEST_S and 0 <= instant.nanos < 1_000_000_000


def is_duration(duration: duration_pb2.Duration) -> bool:
    """Whether JSON has words for it (duration.proto): both parts in range, and of one sign."""
    seconds, nanos = duration.seconds, duration.nanos
    return abs(seconds) <= _LONGEST_S and abs(nanos) < 1_000_000_000 and seconds * nanos >= 0


def timestamp_ms(instant: timestamp_pb2.Timestamp) -> int:
    """Unix milliseconds; what is finer than 1 ms is rounded up."""
    return ceil_ms(instant.seconds, instant.nanos)


def floor_ms(instant: timestamp_pb2.Timestamp) -> int:
    """Unix milliseconds; what is finer than 1 ms is cut off."""
    return instant.seconds * 1000 + instant.nanos // 1_000_000


def timestamp(instant_ms: int) -> timestamp_pb2.Timestamp:
    """The message for an instant in Unix milliseconds."""
    seconds, rest = divmod(instant_ms, 1000)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=rest * 1_000_000)


def put_ms(field: timestamp_pb2.Timestamp, instant_ms: int) -> None:
    """Sets a field in place, unless the instant is 0, which stands for none."""
    if instant_ms:
        seconds, rest = divmod(instant_ms, 1000)
        field.seconds = seconds
        field.nanos = rest * 1_000_000


def duration_ns(duration: duration_pb2.Duration) -> int:
    """Nanoseconds."""
    return duration.seconds * 1_000_000_000 + duration.nanos


def duration_ms(duration: duration_pb2.Duration) -> int:
    """Milliseconds; what is finer than 1 ms is rounded up."""
    return ceil_ms(duration.seconds, duration.nanos)
