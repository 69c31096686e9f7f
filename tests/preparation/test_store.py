import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from segkit.config.labels import labels_from
from segkit.config.plan import Normalisation
from segkit.datasets import Case
from segkit.foundation.errors import DataError, GeometryError
from segkit.preparation import positions
from segkit.preparation import store as module
from segkit.preparation.prepare import prepare
from segkit.preparation.resampling import labels_onto
from segkit.preparation.scans import read_reference, read_scan
from segkit.preparation.store import folder_of, prepare_case, stored_case, total_bytes

LABELS = labels_from({"background": 0, "first": 1, "second": 2})


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


FIRST = labels_from({"background": 0, "first": 1})
SWAPPED = labels_from({"background": 0, "second": 2, "first": 1})


def prepared_folders(store):
    return sorted(path.parent for path in store.rglob("case.yaml"))


def test_what_is_stored_is_what_prediction_prepares(write_case, plan, store):
    case = write_case()
    stored = prepare_case(case, plan=plan(), labels=LABELS, store=store)
    scan = read_scan(case.images, plan().inputs)
    alone = prepare(scan, plan())
    assert np.array_equal(stored.image, alone.image)
    assert stored.image.dtype == alone.image.dtype
    assert (stored.name, stored.grid.shape, stored.scan_grid.shape) == ("a", alone.grid.shape, scan.grid.shape)
    assert np.array_equal(stored.grid.affine, alone.grid.affine)
    assert np.array_equal(stored.scan_grid.affine, scan.grid.affine)
    expected = labels_onto(read_reference(case.reference, scan.grid, LABELS), scan.grid, alone.grid)
    assert np.array_equal(stored.reference, expected)
    assert set(np.unique(stored.reference)) == {0, 1, 2}


def test_positions_lie_inside_their_class(write_case, plan, store):
    stored = prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    assert len(stored.positions) == 2
    for index, found in enumerate(stored.positions, start=1):
        assert (stored.reference[tuple(found.T)] == index).all()
        assert len(found) == np.count_nonzero(stored.reference == index)


def test_positions_of_a_large_class_are_sampled_alike_each_time(write_case, plan, store, monkeypatch):
    monkeypatch.setattr(positions, "MOST", 30)
    first = prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    second = prepare_case(write_case(), plan=plan(), labels=LABELS, store=store.with_name("other"))
    assert len(first.positions[0]) == 30
    assert len({tuple(position) for position in first.positions[0].tolist()}) == 30
    assert all(np.array_equal(a, b) for a, b in zip(first.positions, second.positions, strict=True))


def test_a_class_that_a_case_lacks_has_no_positions(write_case, plan, store):
    only_second = np.zeros((14, 12, 9), np.uint8)
    only_second[5:8, 5:8, 3:6] = 2
    stored = prepare_case(write_case(reference=only_second), plan=plan(), labels=LABELS, store=store)
    assert len(stored.positions) == 1
    empty = write_case("b", reference=np.zeros((14, 12, 9), np.uint8))
    assert prepare_case(empty, plan=plan(), labels=LABELS, store=store).positions == []


def test_arrays_are_maps_that_nobody_can_write(write_case, plan, store):
    stored = prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    assert isinstance(stored.image, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        stored.image[:] = 0


def test_a_pickle_carries_no_arrays(write_case, plan, store):
    stored = prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    assert stored.image.any()
    assert stored.positions
    assert len(pickle.dumps(stored)) < 1500  # the record of grids goes along, no array does
    again = pickle.loads(pickle.dumps(stored))
    assert again == stored
    assert np.array_equal(again.reference, stored.reference)


def test_the_second_call_writes_nothing(write_case, plan, store, monkeypatch):
    first = prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    before = {path.name: path.stat().st_mtime_ns for path in first.folder.iterdir() if path.name != module.USED}
    monkeypatch.setattr(module, "write_case", lambda *_: pytest.fail("prepared again"))
    again = prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    assert again.folder == first.folder
    assert before.items() <= {path.name: path.stat().st_mtime_ns for path in again.folder.iterdir()}.items()


def test_what_does_not_touch_the_arrays_shares_them(write_case, plan, store, monkeypatch):
    first = prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    other = plan(patch=(16, 16, 16), batch=9, strides=((1, 1, 1),), kernels=((3, 3, 3),), reasons={"patch": "why not"})
    renamed = labels_from({"background": 0, "liver": 1, "spleen": 2})
    again = prepare_case(replace(write_case(), name="b"), plan=other, labels=renamed, store=store)
    assert again.folder == first.folder
    assert again.name == "b"


def test_whatever_touches_the_arrays_makes_another_folder(write_case, write_nifti, plan, store):
    case, doubled = write_case(), {"MR": Normalisation("none")}
    folders = {
        prepare_case(case, plan=plan(), labels=LABELS, store=store).folder,
        prepare_case(case, plan=plan(spacing=(1.0, 1.0, 2.2)), labels=LABELS, store=store).folder,
        prepare_case(case, plan=plan(orientation="LPS"), labels=LABELS, store=store).folder,
        prepare_case(case, plan=plan(normalisation=doubled), labels=LABELS, store=store).folder,
        prepare_case(case, plan=plan(order=1), labels=LABELS, store=store).folder,
        prepare_case(case, plan=plan(), labels=replace(LABELS, ignore=2, members=FIRST.members), store=store).folder,
        prepare_case(
            case, plan=plan(transforms=({"_target_": "monai.transforms.ScaleIntensity"},)), labels=LABELS, store=store
        ).folder,
        prepare_case(case, plan=plan(), labels=SWAPPED, store=store).folder,
        prepare_case(replace(case, reference=None), plan=plan(), labels=LABELS, store=store).folder,
        prepare_case(write_case("b", seed=1), plan=plan(), labels=LABELS, store=store).folder,
        prepare_case(
            write_case("c", reference=np.ones((14, 12, 9), np.uint8)), plan=plan(), labels=LABELS, store=store
        ).folder,
    }
    assert len(folders) == 11
    assert prepared_folders(store) == sorted(folders)


def test_the_order_of_channels_counts(write_case, plan, store):
    one, two = (write_case(name, seed=seed).images["MR"] for name, seed in (("a", 0), ("b", 1)))
    first, second = (
        prepare_case(
            Case("x", images), store=store, labels=LABELS,
            plan=plan(normalisation={name: Normalisation("none") for name in images}),
        )
        for images in ({"T1": one, "T2": two}, {"T2": two, "T1": one})
    )  # fmt: skip
    assert np.array_equal(first.image, second.image[::-1])
    assert not np.array_equal(first.image, second.image)


def test_a_case_without_reference_is_stored_without_one(write_case, plan, store):
    stored = prepare_case(replace(write_case(), reference=None), plan=plan(), labels=LABELS, store=store)
    assert stored.image.shape[0] == 1
    with pytest.raises(DataError, match=r"reference\.npy"):
        _ = stored.reference


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_nothing(interruption, write_case, plan, store, monkeypatch):
    save, calls = np.save, []

    def interrupted(path, array, **options):
        calls.append(path)
        if len(calls) == 2:
            raise interruption
        save(path, array, **options)

    monkeypatch.setattr(np, "save", interrupted)
    with pytest.raises(interruption):
        prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    assert len(calls) == 2
    assert [path for path in store.rglob("*") if not path.is_dir() and path.suffix != ".lock"] == []
    monkeypatch.setattr(np, "save", save)
    assert prepare_case(write_case(), plan=plan(), labels=LABELS, store=store).image.any()


@pytest.mark.parametrize("fault", ["image", "reference"])
def test_a_case_that_cannot_be_used_leaves_nothing(fault, write_case, plan, store):
    faults = {"image": np.full((14, 12, 9), np.nan, np.float32), "reference": np.zeros((9, 9, 9), np.uint8)}
    with pytest.raises((DataError, GeometryError), match=rf"{fault}/a\.nii"):
        prepare_case(write_case(**{fault: faults[fault]}), plan=plan(), labels=LABELS, store=store)
    assert prepared_folders(store) == []


def test_the_size_on_disk(write_case, plan, store):
    stored = prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    assert total_bytes([stored, stored]) == 2 * sum(path.stat().st_size for path in stored.folder.iterdir())
    assert total_bytes([]) == 0


def test_ignored_voxels_are_stored_and_have_no_positions(write_case, plan, store):
    labels = replace(LABELS, ignore=2, members=FIRST.members)
    case = write_case()
    stored = prepare_case(case, plan=plan(), labels=labels, store=store)
    whole = prepare_case(case, plan=plan(), labels=LABELS, store=store)
    assert np.array_equal(stored.reference == 255, whole.reference == 2)
    assert stored.record["positions"] == [np.count_nonzero(whole.reference == 1)]


def test_values_that_mean_one_class_share_it(write_case, plan, store):
    together = labels_from({"background": 0, "both": [1, 2]})
    stored = prepare_case(write_case(), plan=plan(), labels=together, store=store)
    whole = prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    assert (stored.reference[whole.reference > 0] == 1).all()
    assert len(stored.positions) == 1


def test_the_channel_that_another_is_put_onto_counts(write_case, plan, store):
    one, two = (write_case(name, seed=seed).images["MR"] for name, seed in (("a", 0), ("b", 1)))
    how = dict.fromkeys(("T1", "T2", "T3"), Normalisation("none"))
    case = Case("x", {"T1": one, "T2": two, "T3": one})
    plans = [plan(normalisation=how, onto=onto) for onto in ({}, {"T3": "T1"}, {"T3": "T2"})]
    assert len({folder_of(case, each, LABELS, store) for each in plans}) == 3


@pytest.mark.parametrize("fault", ["missing channel", "missing image", "missing reference"])
def test_what_is_missing_is_named(fault, write_case, plan, store):
    case = write_case()
    wanted = plan(normalisation={"T2": Normalisation("none")}) if fault == "missing channel" else plan()
    if fault != "missing channel":
        (case.images["MR"] if fault == "missing image" else case.reference).unlink()
    said = {"missing channel": "no channel T2; it has MR", "missing image": r"image/a\.nii does not exist"}
    with pytest.raises(DataError, match=said.get(fault, r"reference/a\.nii does not exist")):
        prepare_case(case, plan=wanted, labels=LABELS, store=store)


def flip_a_byte(path):
    with path.open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-5, os.SEEK_END)
        file.write(bytes([byte ^ 64]))


def damage(folder, how):
    name = {"yaml": "case.yaml"}.get(how, "image.npy")
    if how in ("byte", "yaml"):
        flip_a_byte(folder / name)
    elif how == "truncated":
        os.truncate(folder / name, 200)
    else:
        (folder / name).unlink()


@pytest.mark.parametrize("how", ["byte", "yaml", "truncated", "missing"])
def test_a_damaged_case_is_prepared_anew(how, write_case, plan, store, capsys):
    whole = {"plan": plan(), "labels": LABELS, "store": store}
    first = prepare_case(write_case(), **whole)
    image = np.array(first.image)
    damage(first.folder, how)
    assert prepare_case(write_case(), **whole).folder == first.folder
    said = " ".join(capsys.readouterr().err.split())
    assert "a is prepared anew" in said
    assert "damaged" in said or "cannot be read" in said
    assert np.array_equal(first.image, image)
    prepare_case(write_case(), **whole)
    assert capsys.readouterr().err == ""


def test_damage_that_leaves_no_trace_is_found_in_time(write_case, plan, store, monkeypatch, capsys):
    whole = {"plan": plan(), "labels": LABELS, "store": store}
    path = prepare_case(write_case(), **whole).folder / "image.npy"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    flip_a_byte(path)
    os.utime(path, ns=times)
    prepare_case(write_case(), **whole)
    assert capsys.readouterr().err == ""  # reading it through each time would take too long
    monkeypatch.setattr(module, "VERIFIED_FOR", 0.0)
    prepare_case(write_case(), **whole)
    assert "image.npy is missing or damaged" in "".join(capsys.readouterr().err.split("\n"))


def test_a_copied_store_is_compared_once_and_kept(write_case, plan, store, monkeypatch):
    first = prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    os.utime(first.folder / "image.npy", (1, 1))
    monkeypatch.setattr(module, "write_case", lambda *_: pytest.fail("prepared again"))
    calls, verify = [], module.verify
    monkeypatch.setattr(module, "verify", lambda folder: calls.append(folder) or verify(folder))
    for _ in range(2):
        prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    assert calls == [first.folder]
    (first.folder / module.USED).write_text("{")  # a half-written note is no damage either
    assert stored_case(write_case(), plan=plan(), labels=LABELS, store=store) == first


def test_each_use_is_noted(write_case, plan, store):
    first = prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    os.utime(first.folder / module.USED, (1, 1))
    prepare_case(write_case(), plan=plan(), labels=LABELS, store=store)
    assert (first.folder / module.USED).stat().st_mtime > 1e9


def test_a_case_that_is_not_stored_is_not_found(write_case, plan, store):
    assert stored_case(write_case(), plan=plan(), labels=LABELS, store=store) is None
    assert not list(store.rglob("*"))
