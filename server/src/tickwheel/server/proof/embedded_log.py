"""The embedded log as an audited one, also while `tickwheel dev` writes it."""

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from typing_extensions import override

from tickwheel.server.proof.log import NONE_KEPT_MS, AuditedLog, LogError, Partition, Seen, seen
from tickwheel.server.records.errors import LogUnavailable
from tickwheel.server.records.record import PartitionState
from tickwheel.server.records.scan import LogFile


class EmbeddedLog(AuditedLog):
    """The topics of a data directory."""

    def __init__(self, path: Path) -> None:
        """Opens the file.

        Args:
            path: the log's file.

        Raises:
            LogError: it is not there, or cannot be read.
        """
        self.name = f"the log in {path.parent}"
        try:
            self._file = LogFile(path)
        except LogUnavailable as error:
            raise LogError(error.message) from error

    @override
    async def partitions(self, topic: str, since_ms: int) -> Sequence[Partition]:
        return [
            Partition(
                topic,
                state.number,
                state.start,
                self._file.since(state, since_ms),
                state.end,
                self._kept_ms(state),
            )
            for state in self._file.partitions(topic)
        ]

    @override
    async def read(self, partitions: Sequence[Partition]) -> AsyncGenerator[Sequence[Seen], None]:
        for partition in partitions:
            for records in self._file.read(
                partition.topic, partition.number, partition.begin, partition.end
            ):
                yield [
                    seen(
                        partition.topic,
                        partition.number,
                        record.offset,
                        record.append_time.ToMilliseconds(),
                        record.key,
                        record.value,
                        [(header.key, header.value) for header in record.headers],
                    )
                    for record in records
                ]

    def _kept_ms(self, state: PartitionState) -> int:
        if not state.start:
            return 0
        first_ms = self._file.first_ms(state)
        return NONE_KEPT_MS if first_ms is None else first_ms

    @override
    async def has_own_stamps(self, topic: str) -> bool:
        return True

    @override
    async def close(self) -> None:
        self._file.close()
