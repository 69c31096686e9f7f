"""Fixtures that every test may use."""

import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def segkit_data() -> Path:
    """The folder of real scans; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("SEGKIT_DATA", PROJECT.parent / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data: SEGKIT_DATA does not name a folder ({folder})")
    return folder


@pytest.fixture(scope="session")
def dicom_archive(segkit_data, tmp_path_factory) -> Path:
    """The folder of real DICOM files, with `dicom/` and `dicomseg/`, unpacked once for all workers."""
    folder = tmp_path_factory.getbasetemp().parent / "dicom_archive"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            unfinished = folder.with_suffix(".unfinished")
            with tarfile.open(segkit_data / "dicom.tar.xz") as archive:
                archive.extractall(unfinished, filter="data")
            unfinished.rename(folder)
    return folder


@pytest.fixture
def mount_disk(tmp_path) -> Iterator[Callable[[str], Path]]:
    """Mount a disk of a size such as `64k`, where this machine lets us."""
    folder = tmp_path / "disk"

    def mount(size: str) -> Path:
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting a small disk needs root")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["mount", "-o", "remount,rw", folder], capture_output=True, check=False)
        subprocess.run(["umount", "-l", folder], check=True)
