"""The tables of zones: against the standard library's reading of the same data; new data."""

import shutil
import zoneinfo
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
import zonetable

from schedule.oracle import first, ms
from tickwheel.server.convert.schedule import compiled
from tickwheel.server.schedule import ScheduleError, ScheduleErrorReason, ScheduleSpec
from tickwheel.server.schedule.tzif import read_posix_rule, read_tzif
from tickwheel.server.schedule.zone import ZONES, ZoneDatabase

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEGIN = ms("1890-01-01T00:00:00Z") // 1000
_END = ms("2500-01-01T00:00:00Z") // 1000


def offset_s(zone: zoneinfo.ZoneInfo, instant_s: int) -> int:
    offset = (_EPOCH + timedelta(seconds=instant_s)).astimezone(zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())


@pytest.mark.parametrize("letter", sorted({name[:2] for name in ZONES.names()}))
def test_every_change_and_some_instants_of_every_zone(letter: str) -> None:
    random = Random(letter)
    for name in ZONES.names():
        if not name.startswith(letter):
            continue
        theirs = zoneinfo.ZoneInfo(name)
        ours = ZONES.zone(name)
        # Where our table has a change theirs has it too, to the second …
        for span in ours.spans_between(_BEGIN, ms("2101-01-01T00:00:00Z") // 1000):
            assert offset_s(theirs, span.start_s) == span.offset_s, (name, span)
            assert offset_s(theirs, span.start_s - 1) == span.previous_s, (name, span)
        # … and it has no others, as far as random instants can tell.
        for _ in range(60):
            instant = random.randrange(_BEGIN, _END)
            assert offset_s(theirs, instant) == ours.span_at(instant).offset_s, (name, instant)


def test_the_table_in_the_docs_is_current() -> None:
    assert zonetable.PAGE.read_text(encoding="utf-8") == zonetable.page(), "run `make time-zones`"


def test_spans_follow_each_other() -> None:
    for name in ZONES.names():
        zone = ZONES.zone(name)
        previous = zone.span_at(ms("1850-01-01T00:00:00Z") // 1000)
        for span in zone.spans_between(previous.end_s, _END):
            assert span.start_s == previous.end_s
            assert span.previous_s == previous.offset_s != span.offset_s == previous.next_s
            previous = span


def test_the_names_are_those_of_the_standard_library() -> None:
    assert set(ZONES.names()) >= zoneinfo.available_timezones() - {"localtime", "Factory"}
    assert ZONES.version.startswith("20")


@pytest.mark.parametrize(
    ("rule", "year", "changes"),
    [
        ("CET-1CEST,M3.5.0,M10.5.0/3", 2026, ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"]),
        ("EST5EDT,M3.2.0,M11.1.0", 2026, ["2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"]),
        # Hours beyond the day, both ways, and the half of the year that is winter in the south.
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2026, ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"]),
        ("IST-2IDT,M3.4.4/26,M10.5.0", 2026, ["2026-03-27T00:00:00Z", "2026-10-24T23:00:00Z"]),
        ("AEST-10AEDT,M10.1.0,M4.1.0/3", 2026, ["2026-04-04T16:00:00Z", "2026-10-03T16:00:00Z"]),
        # Days of the year, with and without the 29th of February.
        ("AAA0BBB,J60/0,J300/0", 2024, ["2024-03-01T00:00:00Z", "2024-10-26T23:00:00Z"]),
        ("AAA0BBB,59/0,299/0", 2024, ["2024-02-29T00:00:00Z", "2024-10-25T23:00:00Z"]),
    ],
)
def test_rules_in_the_footer(rule: str, year: int, changes: list[str]) -> None:
    read = read_posix_rule(rule)
    assert read is not None
    assert [instant for instant, _ in read.changes(year)] == [ms(one) // 1000 for one in changes]


def test_a_footer_without_changes() -> None:
    assert read_posix_rule("") is None
    assert read_posix_rule("<+0545>-5:45") is None
    with pytest.raises(ValueError, match="cannot read"):
        read_posix_rule("CET-1CEST,M3.5")


def test_what_is_no_such_file() -> None:
    for raw in (b"", b"TZif", b"TZif1" + bytes(200), b"PNG" + bytes(200)):
        with pytest.raises(Exception):  # noqa: B017, PT011 - struct's own, or ours
            read_tzif(raw)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Europe/Berlim", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("America/NewYork", "America/New_York"),
        (" UTC", "UTC"),
        ("utc", "UTC"),
        ("UTC+2", "an offset is not a zone"),
        ("+02:00", "an offset is not a zone"),
        ("Mars/Phobos", "use an IANA name"),
        ("../../etc/passwd", "use an IANA name"),
        ("/etc/localtime", "use an IANA name"),
        ("Europe", "use an IANA name"),
        ("tzdata.zi", "use an IANA name"),
        ("Europe/Berlin\0", "no time zone is called"),
        ("x" * 5000, "use an IANA name"),
    ],
)
def test_unknown_names(name: str, meant: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        ZONES.zone(name)
    assert refusal.value.reason is ScheduleErrorReason.TIME_ZONE_UNKNOWN
    assert refusal.value.field == "timeZone"
    assert meant in refusal.value.message
    assert len(refusal.value.message) < 200


class TestNewData:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A database of our own, put in the place of the one that schedules are compiled with."""
        for name in ("UTC", "Europe/Berlin", "Asia/Tokyo"):
            target = tmp_path / name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(self.source(name), target)
        monkeypatch.setattr(ZONES, "_root", tmp_path)
        monkeypatch.setattr(ZONES, "_zones", {})
        return tmp_path

    def source(self, name: str) -> Path:
        import tzdata

        return Path(tzdata.__file__).with_name("zoneinfo") / name

    def put(self, folder: Path, name: str, data: str) -> None:
        """As package managers do: the new file takes the place of the old one at once."""
        fresh = folder / "fresh"
        shutil.copyfile(self.source(data), fresh)
        fresh.rename(folder / name)

    def test_are_used_without_a_restart(self, folder: Path) -> None:
        spec = ScheduleSpec(cron="0 9 * * *", time_zone="Europe/Berlin")
        union = ScheduleSpec(any_of=(spec,))
        day = "2026-11-23T00:00:00Z"
        before, outer = compiled(spec, 0), compiled(union, 0)
        assert first(spec, 1, day) == ["2026-11-23T08:00:00Z"]
        assert before.is_current
        assert compiled(spec, 0) is before

        self.put(folder, "Europe/Berlin", "Asia/Tokyo")

        assert first(spec, 2, day) == ["2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"]
        # What was compiled before is known to be out of date, and stays what it was.
        assert not before.is_current
        assert not outer.is_current
        assert before.next_after(ms(day)) == ms("2026-11-23T08:00:00Z")
        assert compiled(spec, 0).next_after(ms(day)) == ms("2026-11-24T00:00:00Z")
        assert compiled(union, 0).next_after(ms(day)) == ms("2026-11-24T00:00:00Z")
        assert compiled(spec, 0).is_current

    def test_a_zone_may_come_and_go(self, folder: Path) -> None:
        with pytest.raises(ScheduleError, match="no time zone is called 'Africa/Cairo'"):
            ZONES.zone("Africa/Cairo")
        (folder / "Africa").mkdir()
        self.put(folder, "Africa/Cairo", "Africa/Cairo")
        known = ZONES.zone("Africa/Cairo")
        (folder / "Africa/Cairo").unlink()
        assert ZONES.zone("Africa/Cairo") is known

    def test_a_file_that_is_half_there(self, folder: Path) -> None:
        known = ZONES.zone("Europe/Berlin")
        (folder / "Europe/Berlin").write_bytes(self.source("Europe/Berlin").read_bytes()[:700])
        assert ZONES.zone("Europe/Berlin") is known
        (folder / "Broken").write_bytes(self.source("Europe/Berlin").read_bytes()[:700])
        with pytest.raises(ScheduleError, match="the data of Broken cannot be read"):
            ZONES.zone("Broken")
        self.put(folder, "Europe/Berlin", "Europe/Berlin")
        assert ZONES.zone("Europe/Berlin") is not known

    def test_the_folder_that_python_is_told(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tickwheel.server.schedule.zone import default_root

        assert default_root() == self.source("UTC").parent
        monkeypatch.setenv("PYTHONTZPATH", str(folder))
        monkeypatch.setattr(zoneinfo, "TZPATH", (str(folder),))
        assert default_root() == folder
        assert ZoneDatabase(folder).names() == ("Asia/Tokyo", "Europe/Berlin", "UTC")
        assert ZoneDatabase(folder).version == ""
