"""Killed writers, damaged files, full disks, missing permissions: at most a miss."""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask_cache_core_filesystem import FileSystemCache

from flask_cache_core.errors import BackendError

KEYS = [f"k{number}" for number in range(60)]
VALUES = {
    key: key * (40_000 if number % 5 == 0 else 2_000 if number % 5 == 1 else 20)
    for number, key in enumerate(KEYS)
}


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def check_usable(cache: Any) -> None:
    """Every key is right or missing, and everything can be stored again."""
    assert all(value in (None, VALUES[key]) for key, value in cache.get_dict(*KEYS).items())
    assert sorted(cache.set_many(VALUES)) == sorted(KEYS)
    assert cache.get_dict(*KEYS) == VALUES
    assert cache.inc("fresh counter") == 1
    assert cache.delete("fresh counter")


def garbage(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.randbytes(path.stat().st_size))


def cut(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def empty(path: Path, chance: random.Random) -> None:
    os.truncate(path, 0)


def spots(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        for _ in range(20):
            file.seek(chance.randrange(path.stat().st_size))
            file.write(chance.randbytes(9))


def delete(path: Path, chance: random.Random) -> None:
    path.unlink()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("damage", [garbage, cut, empty, spots, delete])
def test_a_damaged_file_is_at_most_a_miss(
    make: Any, tmp_path: Path, damage: Any, seed: int
) -> None:
    """Also for the process that has it open."""
    chance = random.Random(seed)
    cache = make(threshold=100)
    cache.set_many(VALUES)
    cache.get_many(*KEYS)
    for path in sorted(files(tmp_path)):
        damage(path, chance)
        check_usable(cache)
        check_usable(make(threshold=100))


def test_damage_in_one_entry_loses_that_one_only(
    make: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = make()
    cache.set_many(VALUES)
    store = next(tmp_path.rglob("store"))
    blob = bytearray(store.read_bytes())
    blob[blob.index(b"k7k7k7")] ^= 1
    store.write_bytes(blob)
    assert cache.get_dict(*KEYS) == VALUES | {"k7": None}
    assert cache.counters()["decode_failures"] == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert cache.add("k7", "again")


def test_a_killed_writer_costs_at_most_one_entry(make: Any, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom flask_cache_core_filesystem import FileSystemCache\n"
        "cache = FileSystemCache(sys.argv[1], threshold=200, key_prefix='p')\n"
        "times = (40_000, 2_000, 20, 20, 20)\n"
        "values = {f'k{n}': f'k{n}' * times[n % 5] for n in range(60)}\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    for key, value in values.items():\n"
        "        cache.set(key, value); cache.set('other' + key, 1); cache.delete(key)\n"
        "        cache.set(key, value)\n"
    )
    cache = make(threshold=200)
    chance = random.Random(1)
    for _ in range(8):
        cache.set_many(VALUES)
        writer = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "cache")], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        assert writer.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))  # whenever it comes: what follows holds at any moment
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        found = cache.get_dict(*KEYS)
        assert all(value in (None, VALUES[key]) for key, value in found.items())
        assert list(found.values()).count(None) <= 1
        check_usable(cache)


def test_a_stopped_writer_costs_the_others_their_patience_only(make: Any, tmp_path: Path) -> None:
    make().set("k", "value")
    cache = make(backend_timeout=0.1)
    holder = subprocess.Popen(
        ["flock", str(next(tmp_path.rglob("store"))), "-c", "echo locked; read line"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline()
    try:
        assert cache.get("k") == "value"
        with pytest.raises(BackendError, match=r"CACHE_DIR.*CACHE_BACKEND_TIMEOUT"):
            cache.set("k", "other")
    finally:
        holder.communicate(b"\n")
        holder.stdout.close()
    assert make().set("k", "other")
    assert cache.get("k") == "other"


def test_a_directory_deleted_meanwhile_is_made_again(make: Any, tmp_path: Path) -> None:
    cache, other = make(), make()
    cache.set("k", "value")
    assert other.get("k") == "value"
    shutil.rmtree(tmp_path / "cache")
    assert other.get("k") is None
    assert cache.set("k", "new")
    assert other.get("k") == "new"


def test_no_entry_outlives_a_restart_of_the_system(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not flushed may be lost, an invalidation too."""
    make().set("k", "value")
    monkeypatch.setattr("flask_cache_core_filesystem.ledger._boot", lambda: 7)
    restarted = make()
    assert restarted.get("k") is None
    assert restarted.set("other", 1)
    assert restarted.get_many("k", "other") == [None, 1]


def test_modes_do_not_depend_on_the_umask(make: Any, tmp_path: Path) -> None:
    for umask in (0, 0o277):
        before = os.umask(umask)
        try:
            make(key_prefix=str(umask)).set_many({"small": 1, "large": "x" * 100_000})
        finally:
            os.umask(before)
    made = [*(tmp_path / "cache").rglob("*"), tmp_path / "cache"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o600}


def test_clear_leaves_foreign_files_and_other_prefixes(make: Any, tmp_path: Path) -> None:
    one, other = make(key_prefix="shop"), make(key_prefix="shop_admin")
    everything = make(key_prefix="", clear_all=True)
    foreign = tmp_path / "cache" / "precious.txt"
    for cache in (one, other, everything):
        cache.set_many(VALUES)
    foreign.write_text("mine")
    assert one.clear() is True
    assert one.get_many(*KEYS) == [None] * len(KEYS)
    assert other.get_dict(*KEYS) == VALUES
    assert everything.clear() is True
    assert other.get_many(*KEYS) == everything.get_many(*KEYS) == [None] * len(KEYS)
    assert foreign.read_text() == "mine"
    assert one.set("k", 1)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


def test_a_full_disk_is_told_at_once_and_leaves_no_old_value(full_disk: Path) -> None:
    cache = FileSystemCache(full_disk / "cache", threshold=1000, key_prefix="p")
    cache.set("replaced", "old")
    stored = 0
    with pytest.raises(BackendError, match=r"CACHE_DIR.*No space left"):  # noqa: PT012
        for stored in range(1000):
            cache.set(f"k{stored}", "x" * 4000)
    assert stored > 5
    with pytest.raises(BackendError):
        cache.set("replaced", "x" * 100_000)
    assert cache.get("replaced") is None
    assert all(value in (None, "x" * 4000) for value in cache.get_many("k0", f"k{stored}"))
    assert cache.clear()
    assert cache.set("k", "value")
    assert cache.get("k") == "value"


@pytest.mark.parametrize("mode", [0o000, 0o555])
def test_a_directory_without_permission_is_told_of(
    make: Any, together: Any, tmp_path: Path, mode: int
) -> None:
    directory = tmp_path / "cache"
    directory.mkdir()
    caches = [make(key_prefix="new"), make(key_prefix="old")]
    caches[1].set("k", "value")
    report = tmp_path / "report"
    report.touch()

    def unprivileged(me: int) -> None:
        with report.open("w") as out:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            for cache in caches:
                for operation in (lambda: cache.set("k", 1), cache.clear):  # noqa: B023
                    try:
                        out.write(f"{operation()}\n")
                    except BackendError as error:
                        out.write(f"{error}\n")

    directory.chmod(mode)
    try:
        together(1, unprivileged)
    finally:
        directory.chmod(0o700)
    lines = report.read_text().splitlines()
    told = f"The cache in {directory} (CACHE_DIR) cannot be used: Permission denied"
    assert lines == [told] * 4
    assert caches[1].get("k") == "value"
