"""What is said of a text that belongs into the field of another form."""

import re

_FORMS = (
    ("rrule", re.compile(r"(?:RRULE|DTSTART)[:;]|FREQ *=", re.IGNORECASE)),
    ("iso8601", re.compile(r"R[0-9]*/", re.IGNORECASE)),
    ("at", re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+)$", re.IGNORECASE)),
    ("every", re.compile(r"[0-9]+(?:\.[0-9]+)? *[smhd]$", re.IGNORECASE)),
    ("cron", re.compile(r"@[a-z]+$|(?:[0-9*?/,-]+[ \t]+){4,5}[0-9*?/,A-Z#-]+$", re.IGNORECASE)),
)


def other_form(text: str, given: str) -> str | None:
    """Which form a text looks like that was given as another one; None for no other."""
    text = text.strip()
    found = next((form for form, looks in _FORMS if looks.match(text)), given)
    if found == given:
        return None
    return f"it looks like {found}; set the field {found} instead of {given}"
