"""Reading, computing and writing of several scans at once."""

import errno
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from fake_model import Fake
from streams import EXACT

from segkit.foundation.errors import DataError
from segkit.inference.assembly_line import without_voxels
from segkit.inference.cohort import predict_cohort
from segkit.inference.mask_folder import MaskFolder
from segkit.inference.model import Ready
from segkit.inference.streaming import Work
from segkit.preparation.scans import Scan
from segkit.volumes.grid import Grid
from segkit.volumes.volume import Volume


def test_voxels_are_let_go_of_once_a_scan_is_prepared():
    volume = Volume(np.arange(24, dtype=np.int16).reshape(1, 2, 3, 4), Grid((2, 3, 4), np.eye(4)))
    ready = without_voxels(Ready(Scan(volume.array, volume.grid, volume), (), Work(0, 1, 1)))
    for array in (ready.scan.array, ready.scan.first.array):
        assert (array.shape, array.dtype) == ((1, 2, 3, 4), np.int16)
        assert array.base.nbytes == 2
    assert ready.scan.first.grid is volume.grid


def test_the_next_scan_is_read_while_one_is_computed(tmp_path, scans):
    model, computing, read = Fake(), threading.Event(), threading.Event()
    read_scan, mask_of = model.read, model.mask_of

    def reads(images):
        if images["CT"].name == "b.bin":
            assert computing.wait(10)
            read.set()
        return read_scan(images)

    def computes(prepared):
        computing.set()
        assert read.wait(10)  # would never come were scans taken one after another
        return mask_of(prepared)

    model.read, model.mask_of = reads, computes
    assert len(predict_cohort(model, scans, tmp_path / "masks", "auto").masks) == 3


def test_an_earlier_stage_computes_in_the_thread_that_computes(tmp_path, scans):
    model, threads = Fake(broken={"b.bin": DataError("no scan")}), {}
    model.previous, ready_of = (None,), model.ready_of

    def prepares(scan):
        threads[scan.first.source.path.name] = threading.current_thread()
        if scan.first.source.path.name == "c.bin":
            raise MemoryError("no room")
        return ready_of(scan)

    model.ready_of = prepares
    cohort = predict_cohort(model, scans, tmp_path / "masks", "auto")
    assert threads == dict.fromkeys(("a.bin", "c.bin"), threading.current_thread())
    assert (list(cohort.masks), cohort.failed) == (["a"], {"b": "no scan", "c": "MemoryError: no room"})


def test_what_prediction_does_not_need_is_not_imported():
    # Each would cost every process that predicts 10 to 100 MB and up to half a second.
    script = (
        "import sys, segkit.inference.cohort; print(*{'numba', 'scipy.ndimage', 'pyarrow', 'monai'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_where_two_do_not_fit_they_wait_for_each_other(tmp_path, scans):
    model, busy = Fake(), []
    model.options = replace(EXACT, memory="0.0015MB")  # a scan takes 1000 and so do its logits
    read, mask_of = model.read, model.mask_of

    def alone(step):
        def run(argument):
            busy.append(step)
            time.sleep(0.01)
            result = step(argument)
            assert busy == [step]
            busy.remove(step)
            return result

        return run

    model.read, model.mask_of = alone(read), alone(mask_of)
    assert len(predict_cohort(model, scans, tmp_path / "masks", "auto").masks) == 3


def test_a_full_disk_ends_the_command(tmp_path, scans, monkeypatch):
    def full(path, line):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("segkit.runs.register.append_line", full)
    with pytest.raises(OSError, match="No space left"):
        predict_cohort(Fake(), scans, tmp_path / "masks", "auto")


def test_a_scan_that_is_long_in_reading_or_a_mask_in_writing_is_named(tmp_path, scans, monkeypatch, capsys):
    model = Fake()
    model.options = replace(EXACT, stalled_after="0.05s")
    read, save = model.read, MaskFolder.save

    def slow_for(name, function):
        def slow(*words):
            time.sleep(0.3 if name in str(words) else 0)
            return function(*words)

        return slow

    monkeypatch.setattr(model, "read", slow_for("b.bin", read))

    def slow_save(self, name, *words):
        return slow_for("('c'", partial(save, self))(name, *words)

    monkeypatch.setattr(MaskFolder, "save", slow_save)
    cohort = predict_cohort(model, scans, tmp_path / "masks", "nifti")
    assert sorted(cohort.masks) == list("abc")
    said = [line for line in capsys.readouterr().err.splitlines() if "takes longer than" in line]
    assert any(line.startswith("warning: b: reading and preparing ") and "b.bin" in line for line in said), said
    assert any(line.startswith("warning: c: writing its mask to ") for line in said), said
