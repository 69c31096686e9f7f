import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.config.plan import Normalisation, Plan
from segkit.foundation.errors import DataError, UsageError
from segkit.runs.model_file import ModelRecord, read_record, read_weights, write_model
from segkit.runs.package import check_is_run, models_in, write_package

PLAN = Plan(
    3, "RAS", (1.0, 1.0, 2.0), (8, 8, 8), 2, ((1, 1, 1),), ((3, 3, 3),),
    {"CT": Normalisation("clip_zscore", -100.0, 300.0, 90.0, 40.0)},
)  # fmt: skip
RECORD = ModelRecord("liver", {"background": 0, "liver": 1}, [], [0], PLAN, {"_target_": "segkit.networks.UNet"}, "0.1")


@pytest.fixture
def models(tmp_path):
    folders = []
    for number in range(12):
        folders.append(tmp_path / f"run_{number}" / "model")
        write_model(folders[-1], replace(RECORD, name=f"liver {number}"), {"w": torch.full((3,), float(number))})
    return folders


@pytest.fixture
def package(tmp_path, models) -> Path:
    write_package(tmp_path / "liver.segkit", models[:1], "# liver\n")
    return tmp_path / "liver.segkit"


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A place for damaged copies of a package, its bytes, and what they hold when whole."""
    folder = tmp_path_factory.mktemp("damaged")
    write_model(folder / "model", RECORD, {"w": torch.arange(3.0)})
    write_package(folder / "a.segkit", [folder / "model"], "# liver\n")
    whole = (folder / "a.segkit").read_bytes()
    return folder / "b.segkit", whole, read_record(folder / "model"), torch.arange(3.0)


def rewritten(package: Path, changes: dict[str, bytes | None]) -> None:
    """Replace, add or (None) remove members."""
    with zipfile.ZipFile(package) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | changes
    with zipfile.ZipFile(package, "w") as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)


def read_all(package: Path) -> None:
    for folder in models_in(package):
        read_weights(folder, read_record(folder))


def test_a_model_comes_out_as_it_went_in(package, models):
    (folder,) = models_in(package)
    record = read_record(folder)
    assert record == read_record(models[0])
    assert torch.equal(read_weights(folder, record)["w"], torch.zeros(3))
    assert zipfile.ZipFile(package).namelist() == ["README.md", "model.yaml", "weights.safetensors"]


def test_the_same_models_give_the_same_bytes(tmp_path, package, models):
    write_package(tmp_path / "again.segkit", models[:1], "# liver\n")
    assert (tmp_path / "again.segkit").read_bytes() == package.read_bytes()


def test_an_ensemble_keeps_its_order(tmp_path, models):
    write_package(tmp_path / "many.segkit", models, "# many\n")
    folders = models_in(tmp_path / "many.segkit")
    assert [read_record(folder).name for folder in folders] == [f"liver {number}" for number in range(12)]
    assert [float(read_weights(folder, read_record(folder))["w"][0]) for folder in folders] == list(range(12))


def test_a_run_and_its_model_folder_are_places_too(models):
    assert models_in(models[0]) == models_in(models[0].parent) == [models[0]]


def test_other_weights_than_the_recorded_ones_are_refused(package, tmp_path, models):
    rewritten(package, {"weights.safetensors": (models[1] / "weights.safetensors").read_bytes()})
    (folder,) = models_in(package)
    with pytest.raises(DataError, match=r"liver\.segkit: weights\.safetensors is not the file .* sha256 differs"):
        read_weights(folder, read_record(folder))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"weights.safetensors": None}, r"liver\.segkit holds no weights\.safetensors"),
        ({"model.yaml": None}, r"liver\.segkit holds no model \(model\.yaml\)"),
        ({"model.yaml": None, "weights.safetensors": None}, r"liver\.segkit is no model of segkit"),
        ({"model.yaml": b"!!python/object/apply:os.mkdir [fuse]"}, r"liver\.segkit: model\.yaml is not plain YAML"),
        ({"model.yaml": b"\xff\xfe"}, r"liver\.segkit: model\.yaml is not plain YAML"),
        ({"data.pkl": b"x"}, r"the member 'data\.pkl' does not belong there"),
        ({"model_1/code.py": b"x"}, r"the member 'model_1/code\.py' does not belong there"),
    ],
)
def test_a_package_that_is_none_is_refused_in_one_line(package, changes, says):
    rewritten(package, changes)
    with pytest.raises(DataError, match=says) as refused:
        read_all(package)
    assert "\n" not in str(refused.value)


def test_a_pickle_in_the_weights_place_is_not_opened(package, tmp_path):
    from segkit.foundation.archives import ArchiveFolder

    torch.save({"w": torch.zeros(3)}, tmp_path / "pickle")
    rewritten(package, {"weights.safetensors": (tmp_path / "pickle").read_bytes()})
    (folder,) = models_in(package)
    assert isinstance(folder, ArchiveFolder)
    record = replace(read_record(folder), weights=(folder / "weights.safetensors").hash())
    with pytest.raises(DataError, match="is not a whole safetensors file"):
        read_weights(folder, record)


@settings(max_examples=200, deadline=None)
@given(places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_anywhere_is_refused_or_harmless(damaged, places):
    path, whole, record, weights = damaged
    content = bytearray(whole)
    for place, byte in places:
        content[int(place * len(content))] = byte
    path.write_bytes(content)
    said = ""
    try:
        (folder,) = models_in(path)
        found = read_record(folder)
        assert torch.equal(read_weights(folder, found)["w"], weights)
        assert found == record
    except DataError as refused:
        said = str(refused)
    assert "\n" not in said


def test_a_package_is_no_run(package, models):
    check_is_run(models[0].parent, instead="")
    with pytest.raises(UsageError, match=r"is a packaged model and no run folder: it knows no cases; pass input=SCANS"):
        check_is_run(package, instead="pass input=SCANS")
