"""How much the api takes at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiLimits:
    """Bounds that an operator may set; those of the contract itself stand in the proto."""

    #: Of one payload as published, in bytes.
    max_payload_bytes: int = 256 * 1024
    #: Of one gRPC message in either direction, in bytes.
    max_message_bytes: int = 16 * 1024 * 1024
    #: Unary calls in progress at once in one process, and the bytes of their requests; who comes
    #: on top of it is told to come again. One call is taken whatever its size.
    max_calls: int = 1_000
    max_calls_bytes: int = 128 * 1024 * 1024
    #: A page of a list is cut short before its items come to more than this, in bytes.
    max_page_bytes: int = 12 * 1024 * 1024
    #: Of all pages that are being read, or were not sent yet, in one process; who comes on top of
    #: it is told to come again. One page is taken whatever its size.
    max_pages_bytes: int = 128 * 1024 * 1024
    #: Rows that a filtered list looks at before it answers a short page.
    max_scan_rows: int = 5_000
    #: Watches open at once in one process.
    max_watches: int = 1_000
    #: Runs that wait for a slow watch before it is ended, and their bytes: with a result, and a
    #: payload of its own, a run may have 300 KiB. One is kept whatever its size.
    watch_queue: int = 10_000
    watch_queue_bytes: int = 32 * 1024 * 1024
    #: How often the run log is read while anybody watches, in milliseconds.
    watch_interval_ms: int = 200
