"""The digest of a folder of time-zone files."""

import shutil
from pathlib import Path

from zone_folder import TOWN, ZoneFolder

from tickwheel.server.schedule.zonefiles import ZoneFiles


def test_the_same_data_have_the_same_digest_wherever_they_are(tmp_path: Path) -> None:
    folder = ZoneFolder(tmp_path / "a")
    shutil.copytree(folder.root, tmp_path / "b")
    digest = ZoneFiles(folder.root).digest()
    assert len(digest) == 32
    assert ZoneFiles(tmp_path / "b").digest() == digest


def test_other_data_have_another_one_and_come_back_to_theirs(tmp_path: Path) -> None:
    folder = ZoneFolder(tmp_path / "zones")
    files = ZoneFiles(folder.root)
    first = files.digest()
    folder.move(2)
    second = files.digest()
    folder.move(1)
    assert (second != first, files.digest()) == (True, first)
    (folder.root / TOWN).rename(folder.root / "Test" / "City")
    assert files.digest() not in (first, second)


def test_what_is_no_zone_does_not_count(tmp_path: Path) -> None:
    folder = ZoneFolder(tmp_path / "zones")
    files = ZoneFiles(folder.root)
    digest = files.digest()
    (folder.root / "zone.tab").write_text("a table")
    (folder.root / "leapseconds").write_text("a list")
    shutil.copyfile(folder.root / "UTC", folder.root / "localtime")
    shutil.copytree(folder.root / "Test", folder.root / "right")
    assert files.digest() == digest


def test_a_folder_that_is_away_for_a_moment_is_as_it_was(tmp_path: Path) -> None:
    folder = ZoneFolder(tmp_path / "zones")
    files = ZoneFiles(folder.root)
    digest = files.digest()
    folder.root.rename(tmp_path / "away")
    assert files.digest() == digest
    (tmp_path / "away").rename(folder.root)
    folder.move(3)
    assert files.digest() != digest
    assert ZoneFiles(tmp_path / "nowhere").digest() == ""
