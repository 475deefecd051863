"""Which partition a key belongs to: Kafka's default, the same as in its Java client.

Murmur2 as in org.apache.kafka.common.utils.Utils, so that a job's runs land in the partition where
any other producer would have put them.
"""

import struct
from functools import lru_cache

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


# Keys repeat: a job's runs all have the same. The size is above what a worker usually holds, so
# that a key hashed when its record is announced is still there when it is due.
@lru_cache(maxsize=65_536)
def key_hash(key: bytes) -> int:
    """The non-negative hash whose remainder by the number of partitions is the partition."""
    length = len(key)
    words = length // 4
    value = _SEED ^ length
    m, mask = _M, _MASK
    for word in struct.unpack_from(f"<{words}I", key):
        mixed = word * m & mask
        value = (value * m ^ (mixed ^ mixed >> 24) * m) & mask
    if tail := key[words * 4 :]:
        value ^= int.from_bytes(tail, "little")
        value = value * _M & _MASK
    value ^= value >> 13
    value = value * _M & _MASK
    value ^= value >> 15
    return value & 0x7FFFFFFF
