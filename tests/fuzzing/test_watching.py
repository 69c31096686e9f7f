"""Whatever a reader must not do is seen: a fuzzing that sees nothing would find nothing."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from mmap import mmap
from pathlib import Path

import numpy as np
import pytest

from segkit.foundation.errors import DataError
from tests.fuzzing import watching
from tests.fuzzing.watching import CANARY, complaint

MB = 1 << 20
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts memory where Linux tells it")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "scan.nii").write_bytes(b"1" * 100)
    return tmp_path


def refuses(message: str):
    def read(folder: Path) -> int:
        raise DataError(message)

    return read


def imports_what_the_file_names(folder: Path) -> int:
    with suppress(ImportError):
        import_module(f"{CANARY}.net")
    return 0


def meets_a_bug(folder: Path) -> int:
    return {}["key"]


@pytest.mark.parametrize("is_traced", [False, True])
@pytest.mark.parametrize(
    ("read", "says"),
    [
        (meets_a_bug, "raises KeyError: 'key'"),
        (refuses("is damaged"), "names no file: 'is damaged'"),
        (refuses("scan.nii: is\ndamaged"), "says more than a line"),
        (lambda folder: (folder / "more").write_bytes(b""), "wrote "),
        (lambda folder: (folder / "scan.nii").unlink(), "os.remove "),
        (lambda folder: (folder / "new").mkdir(), "os.mkdir "),
        (lambda folder: os.system("true"), "os.system "),
        (lambda folder: subprocess.run(["true"], check=True).returncode, "subprocess.Popen "),
        (lambda folder: len(socket.getaddrinfo("127.0.0.1", 80)), "socket.getaddrinfo "),
        (imports_what_the_file_names, f"imported {CANARY}"),
    ],
)
def test_what_a_reader_must_not_do_is_said(folder, read, says, is_traced):
    assert (complaint(read, folder, is_traced=is_traced) or "").startswith(says)


@pytest.mark.parametrize("is_traced", [False, True])
@pytest.mark.parametrize(
    "read",
    [
        lambda folder: len((folder / "scan.nii").read_bytes()),
        lambda folder: np.zeros(30 * MB, np.uint8).nbytes,
        refuses("scan.nii: is damaged"),
    ],
)
def test_what_a_reader_may_do_is_not(folder, read, is_traced):
    assert complaint(read, folder, is_traced=is_traced) is None


@pytest.mark.parametrize("is_traced", [False, True])
def test_a_reader_that_computes_without_end_is_stopped(folder, monkeypatch, is_traced):
    def read(folder: Path) -> int:
        while True:
            with suppress(Exception):  # as libraries do
                sum(range(1000))

    monkeypatch.setattr(watching, "MOST_SECONDS", 0.02)
    assert "computes for more than" in complaint(read, folder, is_traced=is_traced)


@LINUX
@pytest.mark.parametrize("is_traced", [False, True])
def test_memory_far_above_the_voxels_is_seen(folder, is_traced):
    def fills(folder: Path) -> int:
        if is_traced:
            np.ones(250 * MB, np.uint8)
            return 0
        with mmap(-1, 250 * MB) as pages:  # fresh ones, which no test before has left to the allocator
            for _ in range(250):
                pages.write(b"1" * MB)
        return 0

    assert "takes 2" in complaint(fills, folder, is_traced=is_traced)
    assert complaint(lambda folder: np.ones(60 * MB, np.uint8).nbytes, folder, is_traced=is_traced) is None


@LINUX
def test_memory_that_is_asked_for_and_refused_is_seen(folder):
    def asks(folder: Path) -> int:
        try:
            np.empty(2048 * MB, np.uint8)
        except MemoryError as error:
            raise DataError("scan.nii: does not fit into memory") from error
        return 0

    assert complaint(asks, folder, is_traced=False).startswith("asks for more memory than the file could need")
    assert complaint(asks, folder, is_traced=True).startswith("takes 2048 MB")
