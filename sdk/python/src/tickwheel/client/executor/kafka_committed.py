"""What a consumer group has committed on Kafka, of which the consumer tells but the offsets."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tickwheel.client.executor.offsets import Committed

_log = logging.getLogger(__name__)


async def fetch_committed(
    bootstrap: str,
    group: str,
    partitions: Sequence[TopicPartition],
    security: Mapping[str, Any],
    timeout: float,
) -> dict[TopicPartition, Committed]:
    """What is committed for partitions; nothing where that cannot be read.

    Args:
        bootstrap: `host:port` of some brokers, comma-separated.
        group: the consumer group's id.
        partitions: those of which nothing is committed are left out of the answer.
        security: arguments of AIOKafkaAdminClient that say how to log in.
        timeout: in seconds.
    """
    if not partitions:
        return {}
    try:
        async with asyncio.timeout(timeout):
            return await _ask(bootstrap, group, partitions, security)
    # The admin client raises all kinds, also where it stumbles over an error of Kafka's.
    except Exception as error:
        # Nothing is lost: it is only not known what is finished above the offsets.
        _log.warning("what group %s has committed cannot be read: %r", group, error)
        return {}


async def _ask(
    bootstrap: str, group: str, partitions: Sequence[TopicPartition], security: Mapping[str, Any]
) -> dict[TopicPartition, Committed]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **security)
    try:
        await admin.start()
        found = await admin.list_consumer_group_offsets(group, partitions=list(partitions))
    finally:
        await admin.close()
    return {
        partition: Committed(stored.offset, stored.metadata or "")
        for partition, stored in found.items()
        if stored.offset >= 0
    }
