import zipfile
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

import segkit
from segkit.commands.package import package
from segkit.config.compose import configure
from segkit.config.rules import Rule
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import write_json
from segkit.runs.ensemble import Ensemble, write_ensemble
from segkit.runs.model_file import read_record, read_weights, write_model


def packed(output, *runs, **words):
    listed = ",".join(map(str, runs))
    return package(
        configure("package", [f"run=[{listed}]", f"output={output}", *(f"{k}={v}" for k, v in words.items())])
    )


@pytest.fixture
def scan(tmp_path):
    voxels = np.random.default_rng(3).normal(size=(20, 19, 17)).astype(np.float32)
    nib.save(nib.Nifti1Image(voxels, np.diag([-1.2, 1, 1, 1])), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def test_a_package_segments_as_its_run_does_when_the_run_is_gone(tmp_path, untrained_run, scan, capsys):
    run = untrained_run()
    before = segkit.load(run, device="cpu").segment(scan).array
    output = packed(tmp_path / "kidneys.segkit", run, licence="CC0-1.0", intended_use="noise, and nothing else")
    assert f"wrote {output}" in capsys.readouterr().out
    run.rename(tmp_path / "elsewhere")
    listed = sorted(tmp_path.iterdir())
    after = segkit.load(output, device="cpu").segment(scan).array
    assert len(np.unique(before)) > 1
    assert np.array_equal(before, after)
    assert sorted(tmp_path.iterdir()) == listed  # nothing was unpacked beside it
    card = zipfile.ZipFile(output).read("README.md").decode()
    assert "CC0-1.0" in card
    assert "noise, and nothing else" in card


def test_an_ensemble_segments_as_its_runs_do(tmp_path, untrained_run, scan):
    runs = [untrained_run("a"), untrained_run("b", seed=1)]
    together = segkit.load(runs, device="cpu").segment(scan).array
    output = packed(tmp_path / "both.segkit", *runs)
    assert np.array_equal(segkit.load(output, device="cpu").segment(scan).array, together)
    third = packed(tmp_path / "third.segkit", untrained_run("c", seed=2))
    assert len(segkit.load([output, third], device="cpu").networks) == 3


def test_an_ensemble_of_a_study_segments_as_it_does_with_what_its_folds_learnt_together(tmp_path, untrained_run, scan):
    (tmp_path / "best").mkdir()
    alone, earlier = untrained_run("best/alone"), [untrained_run("one"), untrained_run("two", seed=1)]
    members = (alone, untrained_run("best/cascade", seed=2, previous=earlier))
    write_ensemble(tmp_path / "best", tmp_path / "best", Ensemble(members, {"left": Rule(keep_largest=True)}))
    write_json(tmp_path / "best" / "evaluation" / "summary.json", {"cases": 3, "mean": {"dice": {"mean": 0.75}}})
    one, raw = (segkit.load(run, device="cpu").segment(scan) for run in (tmp_path / "best", list(members)))
    assert not np.array_equal(one.array, raw.array)
    output = packed(tmp_path / "best.segkit", tmp_path / "best")
    (tmp_path / "best").rename(tmp_path / "elsewhere")
    other = segkit.load(output, device="cpu").segment(scan)
    masks = [each.save(tmp_path / name).read_bytes() for name, each in (("a.nii", one), ("b.nii", other))]
    assert masks[0] == masks[1]
    card = zipfile.ZipFile(output).read("README.md").decode()
    assert "| mean | 0.750 |" in card
    assert "Not evaluated" not in card


def test_the_same_run_gives_the_same_bytes(tmp_path, untrained_run):
    run = untrained_run()
    one, two = packed(tmp_path / "one.segkit", run), packed(tmp_path / "two.segkit", run)
    assert one.read_bytes() == two.read_bytes()


def test_a_model_folder_is_packed_as_its_run_is(tmp_path, untrained_run):
    run = untrained_run()
    (run / "split.json").write_text('{"training": ["a"], "validation": [], "held_out": ["b", "c"]}')
    one, two = packed(tmp_path / "one.segkit", run), packed(tmp_path / "two.segkit", run / "model")
    assert one.read_bytes() == two.read_bytes()
    (run / "model").rename(tmp_path / "alone")
    three = packed(tmp_path / "three.segkit", tmp_path / "alone")
    assert b"| cases held out | 2 |" in zipfile.ZipFile(one).read("README.md")
    assert b"held out" not in zipfile.ZipFile(three).read("README.md")


def test_a_third_party_may_add_a_form(tmp_path, untrained_run, monkeypatch):
    from segkit.inference import packages

    class Entry:
        def load(self):
            return packages.PackageFormat(".txt", lambda packing, output: output.write_text(packing.card))

    monkeypatch.setattr(packages, "entry_points", lambda group: [Entry()] if group == "segkit.packages" else [])
    packages.package_formats.cache_clear()
    try:
        assert packed(tmp_path / "card.txt", untrained_run()).read_text().startswith("# kidneys\n")
    finally:
        packages.package_formats.cache_clear()


def test_what_does_not_load_is_not_packed(tmp_path, untrained_run):
    run = untrained_run()
    record = read_record(run / "model")
    weights = read_weights(run / "model", record)
    write_model(run / "model", replace(record, network={**record.network, "features": [5, 8]}), weights)
    with pytest.raises(DataError, match="do not fit its network"):
        packed(tmp_path / "out" / "a.segkit", run)
    assert not (tmp_path / "out").exists()


def test_mistakes_are_named(tmp_path, untrained_run):
    run = untrained_run()
    with pytest.raises(UsageError, match=r"names no form of a package: end the name in .*\.segkit"):
        packed(tmp_path / "a.zip", run)
    with pytest.raises(UsageError, match="run is empty"):
        packed(tmp_path / "a.segkit")
    with pytest.raises(DataError, match="holds no model"):
        packed(tmp_path / "a.segkit", tmp_path)
    output = packed(tmp_path / "a.segkit", run)
    with pytest.raises(UsageError, match=r"is a packaged model and no run folder: .* pass the run folder"):
        packed(tmp_path / "b.segkit", output)
    other = untrained_run("other", mirrored=[])
    with pytest.raises(DataError, match="they make no ensemble"):
        packed(tmp_path / "b.segkit", run, other)
    assert not (tmp_path / "b.segkit").exists()
