"""What handlers raise to be understood, and what the executor raises when it cannot go on."""


class ExecutorError(Exception):
    """The executor cannot start, or cannot go on; the message says why, and what would help."""


class NotRetryable(Exception):
    """Raised by a handler: the run has failed, and another attempt would not help.

    May be subclassed; the class's name is kept on the run as the kind of failure.
    """


class RunCancelled(Exception):
    """Raised by a handler that stops because it was asked to: the run ends as cancelled.

    `RunContext.raise_if_cancelled` raises it.
    """
