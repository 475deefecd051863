"""What an error of Kafka's means for the records it is about."""

import enum

from aiokafka import errors


class Verdict(enum.Enum):
    """What is to be done with a batch that failed."""

    #: It was not taken, and may be later: the broker, the partition or the producer had trouble.
    AGAIN = 0
    #: At least one of its records is refused; the others may be fine.
    SOME_REFUSED = 1
    #: All of it is refused.
    ALL_REFUSED = 2


class NotPermittedError(errors.KafkaError):
    """Raised to aiokafka, in place of sending, when a permit or a record has expired.

    Not retriable: aiokafka gives the batch up, and so do we, to look at each record anew.
    """

    retriable = False


TOO_LARGE = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.RecordTooLargeError,
)
_SOME = (*TOO_LARGE, errors.InvalidTimestampError, errors.CorruptRecordException)
_ALL = (
    errors.TopicAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.InvalidTopicError,
    errors.PolicyViolationError,
    errors.UnsupportedForMessageFormatError,
)
# INVALID_RECORD is newer than aiokafka's table of errors, which then says "unknown error".
_UNNAMED = errors.UnknownError

_WORDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (TOO_LARGE, "the record is larger than the topic allows"),
    (errors.InvalidTimestampError, "the topic does not accept records of this time"),
    (errors.TopicAuthorizationFailedError, "no right to write to the topic"),
    (errors.ClusterAuthorizationFailedError, "no right to write to this Kafka"),
    (errors.InvalidTopicError, "Kafka does not accept writes to a topic of this name"),
    (errors.PolicyViolationError, "a policy of the topic forbids the record"),
    (_UNNAMED, "Kafka refused the record without a known reason"),
)


def judge(error: Exception) -> Verdict:
    """What an error from sending a batch means."""
    if isinstance(error, (*_SOME, _UNNAMED)):
        return Verdict.SOME_REFUSED
    if isinstance(error, _ALL):
        return Verdict.ALL_REFUSED
    return Verdict.AGAIN


def in_words(error: Exception, topic: str) -> str:
    """The error for a run's `error` field, naming the topic."""
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return f"topic {topic!r}: {words}"
    return f"topic {topic!r}: {type(error).__name__}"
