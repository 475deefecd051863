"""Keys go where every other Kafka client puts them."""

import pytest
from aiokafka.partitioner import murmur2  # pyright: ignore[reportUnknownVariableType]
from hypothesis import given
from hypothesis import strategies as st

from tickwheel.worker.publisher.partitioner import key_hash


@given(st.binary(max_size=100))
def test_as_aiokafka(key: bytes) -> None:
    assert key_hash(key) == murmur2(key) & 0x7FFFFFFF


# From org.apache.kafka.common.utils.UtilsTest.
@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_as_the_java_client(key: bytes, value: int) -> None:
    assert key_hash(key) == value & 0x7FFFFFFF
