"""Makes the questions that other implementations were asked (`questions.json`)."""

import json
from pathlib import Path
from random import Random

ZONES = (
    "UTC",
    "UTC",
    "UTC",
    "America/New_York",
    "America/Santiago",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/London",
)
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
#: 2000 to 2024: later rules may be changed by a later release of the time-zone data.
_FIRST, _LAST = 946_684_800, 1_704_067_200


def random_cron(random: Random, *, special: bool = True) -> str:
    """Five fields that most implementations read; with L and # where `special`."""

    def numbers(low: int, high: int) -> str:
        kind = random.random()
        if kind < 0.35:
            return "*"
        if kind < 0.45:
            return f"*/{random.randint(2, high - low)}"
        if kind < 0.75:
            return str(random.randint(low, high))
        first = random.randint(low, high - 1)
        last = random.randint(first + 1, high)
        if kind < 0.85:
            return f"{first}-{last}"
        if kind < 0.92:
            return f"{first}-{last}/{random.randint(2, 5)}"
        return ",".join(map(str, sorted(random.sample(range(low, high + 1), 3))))

    day, weekday = numbers(1, 31), numbers(0, 6)
    if special and random.random() < 0.15:
        day = "L"
    elif special and random.random() < 0.2:
        weekday = random.choice((f"{random.randint(0, 6)}#{random.randint(1, 5)}",) * 3 + ("5L",))
    return f"{numbers(0, 59)} {numbers(0, 23)} {day} {numbers(1, 12)} {weekday}"


def random_rule(random: Random) -> str:
    """A recurrence rule without DTSTART."""

    def some(low: int, high: int, most: int, *, negative: bool = False) -> str:
        found = random.sample(range(low, high + 1), random.randint(1, most))
        return ",".join(str(-n if negative and random.random() < 0.4 else n) for n in found)

    frequency = random.choice(("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"))
    parts = [f"FREQ={frequency}"]
    if random.random() < 0.4:
        parts.append(f"INTERVAL={random.randint(2, 14)}")
    if random.random() < 0.3:
        parts.append(f"BYMONTH={some(1, 12, 4)}")
    weekly = frequency == "YEARLY" and random.random() < 0.2
    if weekly:
        parts.append(f"BYWEEKNO={some(1, 53, 3, negative=True)}")
    if frequency in ("YEARLY", "HOURLY") and random.random() < 0.15:
        parts.append(f"BYYEARDAY={some(1, 366, 5, negative=True)}")
    if frequency != "WEEKLY" and random.random() < 0.3:
        parts.append(f"BYMONTHDAY={some(1, 31, 5, negative=True)}")
    if weekly or random.random() < 0.4:
        days = random.sample(_DAYS, random.randint(1, 4))
        if frequency in ("YEARLY", "MONTHLY") and not weekly and random.random() < 0.5:
            days = [f"{random.choice((1, 2, 3, 4, 5, -1, -2))}{day}" for day in days]
        parts.append(f"BYDAY={','.join(days)}")
    if random.random() < 0.25:
        parts.append(f"BYHOUR={some(0, 23, 3)}")
    if random.random() < 0.25:
        parts.append(f"BYMINUTE={some(0, 59, 3)}")
    if any(part.startswith("BY") for part in parts) and random.random() < 0.25:
        parts.append(f"BYSETPOS={some(1, 6, 2, negative=True)}")
    if random.random() < 0.2:
        parts.append(f"COUNT={random.randint(1, 4)}")
    if random.random() < 0.2:
        parts.append(f"WKST={random.choice(_DAYS)}")
    return ";".join(parts)


def random_quartz(random: Random) -> str:
    """Six fields with names for weekdays, which Quartz counts from 1, and one of its day forms."""
    hour = random.choice(("0", "1", "2", "3", "12", "1,2", "0-4", "*", "*/3"))
    month = random.choice(("*", "*", "*", "2", "JAN-MAR", "*/2"))
    weekday = random.choice(("SUN", "MON", "WED", "SAT"))
    day, weekday = random.choice(
        (
            ("L", "?"),
            ("LW", "?"),
            (f"L-{random.randint(1, 28)}", "?"),
            (f"L-{random.randint(1, 28)}W", "?"),
            (f"{random.randint(1, 31)}W", "?"),
            (f"{random.randint(1, 28)}W", "?"),
            (random.choice(("*", "1-7", "15,31")), "?"),
            ("?", f"{weekday}L"),
            ("?", f"{weekday}#{random.randint(1, 5)}"),
            ("?", random.choice(("MON-FRI", "FRI-MON", "SAT,SUN", weekday))),
        )
    )
    return f"{random.choice((0, 0, 30))} {random.randint(0, 59)} {hour} {day} {month} {weekday}"


def main() -> None:
    """Writes the questions."""
    random = Random(1)
    cron = [
        {
            "cron": random_cron(random),
            "zone": random.choice(ZONES),
            "after": random.randrange(_FIRST, _LAST),
        }
        for _ in range(500)
    ]
    # The hours around changes of the clock, where implementations part.
    for zone, changes in (
        ("America/New_York", (1_710_054_000, 1_730_610_000)),
        ("Europe/Berlin", (1_711_846_800, 1_729_990_800)),
        ("Australia/Sydney", (1_696_089_600, 1_712_419_200)),
    ):
        for change in changes:
            cron += [
                {
                    "cron": f"{random.randint(0, 59)} {hour} * * *",
                    "zone": zone,
                    "after": change - 86_400,
                }
                for hour in ("1", "2", "3", "0-4", "*", "*/2", "1,2")
            ]
    rules = [
        {"rrule": random_rule(random), "start": random.randrange(_FIRST, _LAST)} for _ in range(400)
    ]
    quartz = [
        {
            "cron": random_quartz(random),
            "zone": random.choice(ZONES),
            "after": random.randrange(_FIRST, _LAST),
        }
        for _ in range(300)
    ]
    text = json.dumps({"cron": cron, "rrule": rules, "quartz": quartz}, indent=0)
    Path(__file__).with_name("questions.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
