"""How to reach the cluster, and how patient to be with it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CassandraOptions:
    """Settings of one connection to a cluster."""

    #: `host` or `host:port` of some nodes; the others are learnt from them.
    contact_points: Sequence[str]
    keyspace: str = "dist_task_runner"
    #: Consistency of all reads and writes; a name of the CQL protocol.
    consistency: str = "LOCAL_QUORUM"
    #: Consistency of the Paxos rounds of conditional writes: LOCAL_SERIAL or SERIAL.
    serial_consistency: str = "LOCAL_SERIAL"
    #: The data centre whose nodes are used; empty takes that of the first node that answers.
    local_dc: str = ""
    username: str = ""
    password: str = ""
    connect_timeout_s: float = 3.0
    #: How long one statement may take, retries on other nodes included.
    request_timeout_s: float = 2.0
    #: The same for statements of many rows and for pages of large reads.
    bulk_timeout_s: float = 8.0
    #: An idempotent statement unanswered for this long is also sent to another node.
    speculative_delay_s: float = 0.2
    #: Statements under way at once; more wait their turn.
    max_in_flight: int = 256
