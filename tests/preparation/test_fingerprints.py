import errno
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from segkit.config.channels import channels_from
from segkit.config.labels import labels_from
from segkit.preparation import fingerprints as module
from segkit.preparation.fingerprint import fingerprint_case
from segkit.preparation.fingerprints import read_fingerprints, stored_fingerprint

LABELS = labels_from({"background": 0, "first": 1, "second": 2})
CHANNELS = channels_from({"MR": "mr"})
HOW = {"channels": CHANNELS, "labels": LABELS, "orientation": "RAS"}


def read_all(cases, store, **changes):
    return read_fingerprints(cases, **{**HOW, "store": store, "workers": 1, **changes})


def same(one, other):
    assert (one.shape, one.spacing, one.kept, one.labelled) == (other.shape, other.spacing, other.kept, other.labelled)
    assert np.array_equal(one.foreground, other.foreground)
    return True


@pytest.fixture
def cases(write_case):
    return [write_case(name, shape=(14, 12, 9 + index), seed=index) for index, name in enumerate("abcd")]


def test_cases_come_in_their_order(cases, tmp_path):
    found, failed = read_all(cases[::-1], tmp_path)
    assert [each.shape[2] for each in found] == [12, 11, 10, 9]
    assert failed == {}


def test_what_cannot_be_used_is_named_and_the_others_are_read(cases, tmp_path):
    cases[0].images["MR"].write_bytes(b"not a scan")
    cases[1].reference.unlink()
    cases[2] = replace(cases[2], images={})
    found, failed = read_all(cases, tmp_path)
    assert [each.shape[2] for each in found] == [12]
    assert list(failed) == ["a", "b", "c"]
    assert "a.nii" in failed["a"]
    assert "b.nii" in failed["b"]
    assert "no channel MR" in failed["c"]


def test_no_cases_have_no_fingerprints(tmp_path):
    assert read_all([], tmp_path) == ([], {})


def test_a_case_is_read_once(cases, tmp_path, monkeypatch):
    first, _ = read_all(cases, tmp_path)
    monkeypatch.setattr(module, "fingerprint_case", lambda *_, **__: pytest.fail("read again"))
    again, _ = read_all(cases, tmp_path)
    assert all(map(same, first, again))


@pytest.mark.parametrize(
    "changes",
    [
        {"orientation": "LPS"},
        {"labels": labels_from({"background": 0, "both": [1, 2]})},
        {"labels": labels_from({"background": 0, "first": 1, "ignore": 2})},
        {"channels": channels_from({"MR": "rgb"})},
    ],
    ids=["orientation", "merged", "ignored", "channels"],
)
def test_what_is_asked_otherwise_is_read_again(changes, cases, tmp_path, monkeypatch):
    read_all(cases[:1], tmp_path)
    seen = []

    def read_again(case, **_):
        seen.append(case)
        return fingerprint_case(case, **HOW)

    monkeypatch.setattr(module, "fingerprint_case", read_again)
    read_all(cases[:1], tmp_path, **changes)
    assert seen == cases[:1]


@pytest.mark.parametrize("kind", ["labelled", "empty", "without a reference"])
def test_a_kept_fingerprint_is_the_one_that_was_read(kind, write_case, tmp_path):
    case = write_case(reference=np.zeros((14, 12, 9), np.uint8)) if kind == "empty" else write_case()
    case = replace(case, reference=None) if kind == "without a reference" else case
    read = fingerprint_case(case, **HOW)
    assert all(same(stored_fingerprint(case, **HOW, store=tmp_path), read) for _ in range(2))


def test_a_changed_case_is_read_again(write_case, tmp_path):
    before = stored_fingerprint(write_case(), **HOW, store=tmp_path)
    after = stored_fingerprint(write_case(seed=1), **HOW, store=tmp_path)
    assert not np.array_equal(before.foreground, after.foreground)


def test_a_damaged_fingerprint_is_read_again(write_case, tmp_path):
    case = write_case()
    before = stored_fingerprint(case, **HOW, store=tmp_path)
    (path,) = (tmp_path / "fingerprints").glob("*.npy")
    path.write_bytes(path.read_bytes()[:200])
    assert same(stored_fingerprint(case, **HOW, store=tmp_path), before)


def test_work_can_be_sent_to_other_processes(write_case, tmp_path):
    work = partial(stored_fingerprint, **HOW, store=tmp_path)
    assert same(pickle.loads(pickle.dumps(work))(write_case()), work(write_case()))


def test_a_full_disk_is_no_fault_of_a_case(cases, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.np, "save", full)
    found, failed = read_all(cases, tmp_path)
    assert (len(found), failed) == (4, {})
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "fingerprints" in path.parts]
