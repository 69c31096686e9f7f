import dataclasses
import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from segkit.foundation.errors import DataError, SegkitError
from segkit.foundation.files import (
    atomic_file,
    atomic_folder,
    check_writable,
    read_json,
    read_yaml,
    staging_folder,
    write_json,
    write_text,
    write_yaml,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run_until_killed(code: str, *arguments: Path) -> None:
    """Run Python code in a process that ends by SIGKILL, as the code itself asks."""
    kill = "import os, signal, sys\nfrom segkit.foundation.files import *\ndie = lambda: os.kill(os.getpid(), 9)\n"
    ended = subprocess.run([sys.executable, "-c", kill + code, *map(str, arguments)], check=False)
    assert ended.returncode == -signal.SIGKILL


@pytest.fixture
def small_disk(mount_disk):
    """A disk of 64 KiB, where this machine lets us mount one."""
    return mount_disk("64k")


@pytest.mark.parametrize(
    "name",
    ["x.nii.gz", "x", ".hidden", "a b (1) ü=~&.json", "case_0.5mm.nii.gz", "1.2.840.113619.dcm", "y" * 240 + ".png"],
)
def test_a_file_is_written_beside_its_place_and_moved_in(tmp_path, name):
    target = tmp_path / "new" / name
    with atomic_file(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.name.startswith(".")
        assert temporary.suffixes[-len(target.suffixes) :] == target.suffixes or not target.suffixes
        assert temporary.name != target.name
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert names(target.parent) == [name]


def test_the_old_file_stays_when_the_block_fails(tmp_path):
    target = tmp_path / "x.txt"
    target.write_text("old")

    def stopped_half_way():
        with atomic_file(target) as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped_half_way()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["x.txt"]


def test_a_block_that_writes_nothing_is_an_error_that_names_the_target(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"x\.txt") as caught, atomic_file(tmp_path / "x.txt"):
        pass
    assert ".tmp" not in str(caught.value)


def test_a_link_is_written_through(tmp_path):
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)
    write_text(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_permissions_follow_the_umask(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("")
    write_text(tmp_path / "x", "")
    assert (tmp_path / "x").stat().st_mode == plain.stat().st_mode


def test_sigkill_leaves_the_old_file_and_the_next_write_sweeps_the_litter(tmp_path):
    target = tmp_path / "x.nii.gz"
    target.write_text("old")
    code = "with atomic_file(sys.argv[1]) as path:\n    path.write_text('half')\n    die()"
    run_until_killed(code, target)
    assert target.read_text() == "old"
    assert len(names(tmp_path)) == 2
    run_until_killed(code, tmp_path / "other.nii.gz")
    write_text(target, "new")
    assert target.read_text() == "new"
    left = names(tmp_path)
    assert len(left) == 2, "litter of another target is not ours to sweep"
    assert left[0].startswith(".other.")


def test_sigkill_leaves_no_folder_and_the_next_one_sweeps_the_litter(tmp_path):
    target = tmp_path / "cases"
    run_until_killed("with atomic_folder(sys.argv[1]) as path:\n    (path / 'a').write_text('half')\n    die()", target)
    assert not target.exists()
    with atomic_folder(target) as temporary:
        (temporary / "b").write_text("whole")
    assert names(tmp_path) == ["cases"]
    assert names(target) == ["b"]


def test_files_of_processes_that_still_write_are_left_alone(tmp_path):
    target = tmp_path / "x.txt"
    with atomic_file(target) as first:
        first.write_text("first")
        code = f"from segkit.foundation.files import write_text; write_text({str(target)!r}, 'second')"
        subprocess.run([sys.executable, "-c", code], check=True)
        write_text(target, "third")
        assert first.exists()
    assert target.read_text() == "first"
    assert names(tmp_path) == ["x.txt"]


def test_litter_with_our_own_process_number_is_a_dead_process_of_another_container(tmp_path):
    with atomic_file(tmp_path / "x.txt") as temporary:
        temporary.write_text("")
        litter = temporary.with_name(temporary.name.replace(temporary.name.split("-")[2][:8], "0" * 8))
        foreign = temporary.with_name(temporary.name.replace(temporary.name.split(".")[2][:8], "0" * 8))
        litter.write_text("")
        foreign.write_text("")
    write_text(tmp_path / "x.txt", "")
    assert names(tmp_path) == sorted([foreign.name, "x.txt"]), "another machine's files are left alone"


def test_many_threads_write_one_file(tmp_path):
    target = tmp_path / "x.txt"
    threads = [threading.Thread(target=write_text, args=(target, str(number) * 5000)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = target.read_text()
    assert text == text[0] * 5000
    assert names(tmp_path) == ["x.txt"]


def test_a_folder_is_filled_beside_its_place_and_moved_in(tmp_path):
    target = tmp_path / "a" / "cases"
    target.mkdir(parents=True)
    with atomic_folder(target) as temporary:
        (temporary / "inner").mkdir()
        write_text(temporary / "inner" / "x", "x")
        assert names(target) == []
    assert names(target.parent) == ["cases"]
    assert (target / "inner" / "x").read_text() == "x"


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="cases/missing/x") as caught,
        atomic_folder(tmp_path / "cases") as folder,
    ):
        (folder / "missing" / "x").write_text("x")
    assert ".tmp" not in str(caught.value)
    assert names(tmp_path) == []


def test_a_folder_that_is_taken_is_refused_at_the_start_and_at_the_end(tmp_path):
    target = tmp_path / "cases"
    with (
        pytest.raises(SegkitError, match="cases exists and is not an empty folder"),
        atomic_folder(target),
    ):
        write_text(target / "theirs", "")
    assert names(tmp_path) == ["cases"]
    assert names(target) == ["theirs"]
    with pytest.raises(SegkitError, match="remove it or choose another place"), atomic_folder(target):
        pytest.fail("the block ran")
    with pytest.raises(SegkitError, match="is not an empty folder"), atomic_folder(target / "theirs"):
        pytest.fail("the block ran")


def test_a_full_disk_names_the_target_and_keeps_the_old_file(small_disk):
    target = small_disk / "x.npy"
    write_text(target, "old")
    with pytest.raises(OSError, match=r"No space left on device: .*disk/x\.npy") as caught, atomic_file(target) as path:
        path.write_bytes(bytes(1 << 20))
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match=r"No space left on device: .*disk/x\.npy"), atomic_file(target) as path:
        np.save(path, np.zeros(1 << 20))
    with pytest.raises(OSError, match=r"No space left"), atomic_folder(small_disk / "cases") as folder:
        (folder / "x").write_bytes(bytes(1 << 20))
    assert target.read_text() == "old"
    assert names(small_disk) == ["x.npy"]
    (small_disk / "filler").write_bytes(bytes(40000))
    with pytest.raises(SegkitError, match=r"runs cannot be written: no space left on device; choose another folder"):
        check_writable(small_disk / "runs")
    assert names(small_disk) == ["filler", "x.npy"]


def test_a_read_only_disk_is_one_line(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(SegkitError, match="disk cannot be written: read-only file system; choose another folder"):
        check_writable(small_disk)
    with pytest.raises(OSError, match=r"Read-only file system: .*disk/x\.txt") as caught:
        write_text(small_disk / "x.txt", "x")
    assert ".tmp" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_closed_folder_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SegkitError, match="permission denied"):
        check_writable(tmp_path)


def test_check_writable_makes_the_folder_and_leaves_it_empty(tmp_path):
    check_writable(tmp_path / "a" / "b")
    check_writable(tmp_path / "a" / "b")
    assert names(tmp_path / "a" / "b") == []


def test_check_writable_says_when_a_file_is_in_the_way(tmp_path):
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "inner"):
        with pytest.raises(SegkitError, match="is a file and not a folder; choose another folder"):
            check_writable(folder)


@dataclasses.dataclass
class Settings:
    path: Path
    size: np.int64


@pytest.mark.parametrize(("write", "read"), [(write_json, read_json), (write_yaml, read_yaml)])
def test_values_are_written_and_read(tmp_path, write, read):
    target = tmp_path / "x"
    write(target, {"ü": Settings(Path("a"), np.int64(3)), "b": [1, 2.5, None]})
    assert read(target) == {"ü": {"path": "a", "size": 3}, "b": [1, 2.5, None]}
    assert target.read_text(encoding="utf-8").endswith("\n")
    with pytest.raises(TypeError):
        write(target, object())
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b"[" * 100_000, b"a: b: c", b"!!python/name:os.system"])
def test_damaged_files_are_named_in_one_line(tmp_path, content):
    target = tmp_path / "x.json"
    target.write_bytes(content)
    readers = [read_json] if content.startswith(b"[[") else [read_json, read_yaml]
    for read in readers:
        with pytest.raises(DataError, match=r"x\.json is not (JSON|YAML)") as caught:
            read(target)
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "missing")


def test_a_staging_folder_lists_no_folder_of_many_files(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", lambda folder: pytest.fail(f"{folder} was listed"))
        with staging_folder(tmp_path / "case") as staged:
            (staged / "mask").write_text("whole")
            (staged / "mask").replace(tmp_path / "mask")
    assert names(tmp_path) == ["mask"]
