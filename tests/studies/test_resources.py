"""Cores and GPUs of this machine, shared out among trials."""

import pytest

from segkit.studies import resources
from segkit.studies.resources import Share, shares, visible_gpus


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(resources, "available_cores", lambda: 8)
    monkeypatch.setattr(resources.os, "sched_getaffinity", lambda _: set(range(2, 10)), raising=False)
    monkeypatch.setattr(resources.sys, "platform", "linux")


def test_one_trial_alone_has_the_machine(eight_cores):
    assert shares(None, None, None, []) == [Share()]
    assert Share().environment({"A": "b"}) == {"A": "b"}


def test_cores_are_divided_and_each_trial_keeps_to_its_own(eight_cores):
    two = shares(2, None, None, [])
    assert two == [Share(4, (2, 3, 4, 5)), Share(4, (6, 7, 8, 9))]
    assert two[0].environment({"OMP_NUM_THREADS": "64"})["OMP_NUM_THREADS"] == "4"
    assert two[0].place() == "cores 2-5"
    assert [share.cores for share in shares(3, 3, None, [])] == [(), (), ()]  # nine of eight: the system decides
    assert shares(3, None, None, [])[0] == Share(2, (2, 3))


def test_processes_that_train_one_network_share_its_threads_and_not_its_cores():
    share = Share(8, (0, 1, 2, 3, 4, 5, 6, 7), ("0", "1"))
    assert share.of_each(2) == Share(4, share.cores, share.gpus)
    assert Share(2).of_each(3) == Share(1)
    assert Share().of_each(2) == Share()  # Lightning divides what nobody has


def test_a_quota_makes_core_numbers_meaningless(eight_cores, monkeypatch):
    monkeypatch.setattr(resources, "available_cores", lambda: 4)
    assert shares(2, None, None, []) == [Share(2), Share(2)]
    assert shares(2, None, None, [])[0].place() == "2 threads"


def test_gpus(eight_cores):
    assert [share.gpus for share in shares(None, None, None, ["0", "1"])] == [("0",), ("1",)]
    assert [share.gpus for share in shares(None, None, 2, ["0", "1", "2", "3"])] == [("0", "1"), ("2", "3")]
    assert [share.gpus for share in shares(3, 1, None, ["0", "1"])] == [("0",), ("1",), ("0",)]
    none = shares(None, None, 0, ["0", "1"])
    assert none == [Share(gpus=())]
    assert none[0].environment({"CUDA_VISIBLE_DEVICES": "0,1"})["CUDA_VISIBLE_DEVICES"] == ""
    assert shares(2, 1, None, ["GPU-1f2e3d4c-0000"])[0].place() == "GPU 1f2e3d4c, cores 2"


@pytest.mark.parametrize(("said", "seen"), [("1,3", ["1", "3"]), ("", []), ("-1", []), ("MIG-a", ["MIG-a"])])
def test_gpus_that_this_process_may_use(monkeypatch, said, seen):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    assert visible_gpus() == seen


@pytest.mark.parametrize(
    ("text", "seen"), [("echo GPU-a; echo GPU-b", ["GPU-a", "GPU-b"]), ("echo broken; exit 9", [])]
)
def test_gpus_that_the_driver_names(monkeypatch, tmp_path, text, seen):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(resources.shutil, "which", lambda _: str(program))
    assert visible_gpus() == seen
    monkeypatch.setattr(resources.shutil, "which", lambda _: None)
    assert visible_gpus() == []
