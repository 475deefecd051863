"""What of a log is worth to be passed on: its last warnings and errors, each with its traceback."""

import re
from collections import deque
from collections.abc import Iterable

#: The beginning of a line of ours, for people or as JSON, and its level.
_HEAD = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+Z? \[(?P<word>[a-z]+)\s*\]"
    r'|\{.*"level": ?"(?P<json>[a-z]+)"'
    r"|\{"
)
#: What a program says that ends without a word of ours.
_END = re.compile(
    r"Traceback \(most recent call last\)|  \+ Exception Group Traceback"
    r"|panic: |fatal error: |Fatal Python error|(?:WARNING|ERROR|CRITICAL)[ :]"
)
_WORTH = frozenset({"warning", "error", "critical"})
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


def excerpt(log: Iterable[str], most: int) -> list[str]:
    """The last entries that are worth it, whole.

    Args:
        log: its lines, each with its end.
        most: lines at most. Of an entry that is longer than that the end is kept.
    """
    kept: deque[str] = deque(maxlen=most)
    # What goes on from the line before is of the same entry.
    is_worth = False
    for coloured in log:
        line = _COLOURS.sub("", coloured)
        head = _HEAD.match(line)
        if head is not None:
            is_worth = (head["word"] or head["json"]) in _WORTH
        elif _END.match(line):
            is_worth = True
        if is_worth:
            kept.append(line)
    return list(kept)
