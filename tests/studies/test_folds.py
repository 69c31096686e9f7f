"""Folds pooled into one result and one model, from masks that are made up."""

import nibabel as nib
import numpy as np
import pytest

from segkit.config.compose import configure
from segkit.datasets.splits import Split
from segkit.foundation.files import read_json, write_json
from segkit.runs.ensemble import read_ensemble
from segkit.runs.folder import RunFolder
from segkit.runs.manifest import Manifest, read_manifest, write_manifest
from segkit.studies import folds
from segkit.studies.folds import methods_of, pool_folds
from segkit.studies.study import FINISHED, Study, entry_of
from segkit.studies.trial import write_trial

CASES = [f"case{number}" for number in range(6)]


@pytest.fixture
def cohort(tmp_path):
    """Six cubes of 4^3 voxels in 12^3."""
    root = tmp_path / "cohort"
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for index, case in enumerate(CASES):
        noise = np.random.default_rng(index).normal(size=(12, 12, 12))
        for folder, array in (("images", noise), ("labels", cube(0))):
            nib.save(nib.Nifti1Image(array.astype(np.float32), np.eye(4)), root / folder / f"{case}.nii.gz")
    return root


def cube(shift: int):
    array = np.zeros((12, 12, 12))
    array[2 + shift : 6 + shift, 2:6, 2:6] = 1
    return array


@pytest.fixture
def study(cohort, tmp_path):
    """Two methods of two folds each: masks lie 1 voxel beside the reference, and 2; of one more a fold is missing."""
    entries = []
    for lr, shift, trained in ((0.1, 2, 2), (0.2, 1, 2), (0.3, 0, 1)):
        for fold in range(2):
            swept = (f"optimizer.lr={lr}", f"training.fold={fold}")
            words = ["data=paired", f"data.root={cohort}", "data.labels={background: 0, cube: 1}", "data.split.folds=2"]
            config = configure("train", [*words, "training.steps=3", *swept])
            trial = write_trial(tmp_path / "study", ",".join(swept), words, config)
            validation = CASES[fold::2]
            write_json(RunFolder(trial.run).split, Split((), tuple(validation), ()))
            folder = RunFolder(trial.run).predictions("validation")
            folder.mkdir(parents=True)
            for case in validation:
                nib.save(nib.Nifti1Image(cube(shift).astype(np.uint8), np.eye(4)), folder / f"{case}.nii.gz")
            manifest = Manifest(
                {"background": 0, "cube": 1}, ["w"], {c: {"mask": f"{c}.nii.gz", "key": "k"} for c in validation}
            )
            write_manifest(folder, manifest)
            entries.append(entry_of(trial, swept, config))
            entries[-1].state = FINISHED if fold < trained else "failed with exit code 1"
    return Study(tmp_path / "study", entries, {})


def test_methods_are_trials_that_differ_in_the_fold_alone(study):
    methods = methods_of(study)
    assert [(method.name, len(method.entries)) for method in methods] == [
        ("optimizer.lr=0.1", 2),
        ("optimizer.lr=0.2", 2),
    ]


def test_every_case_is_scored_once_and_the_best_method_is_the_studys_model(study, capsys):
    pool_folds(study)
    for lr, dice in ((0.1, 0.5), (0.2, 0.75)):  # 2 and 3 of 4 layers are shared
        summary = read_json(study.folder / "folds" / f"optimizer.lr={lr}" / "evaluation" / "summary.json")
        assert summary["mean"]["dice"]["n"] == 6
        assert summary["mean"]["dice"]["mean"] == pytest.approx(dice)
    ensemble = read_ensemble(study.folder)
    names = ["optimizer.lr=0.2,training.fold=0", "optimizer.lr=0.2,training.fold=1"]
    assert [run.name for run in ensemble.members] == names
    assert ensemble.dice == pytest.approx(0.75)
    assert "2 folds of optimizer.lr=0.2" in capsys.readouterr().out


def test_what_was_pooled_is_not_scored_again_unless_its_masks_are_others(study, monkeypatch, capsys):
    pool_folds(study)
    first, scored = capsys.readouterr().out, []
    evaluate = folds.evaluate_pairs
    monkeypatch.setattr(
        folds,
        "evaluate_pairs",
        lambda pairs, *more, **options: scored.append(sorted(pairs)) or evaluate(pairs, *more, **options),
    )
    pool_folds(study)
    table = "held-out cases of all folds"
    assert scored == []
    assert capsys.readouterr().out.partition(table)[2] == first.partition(table)[2]
    masks = RunFolder(study.entries["optimizer.lr=0.1,training.fold=0"].trial.run).predictions("validation")
    manifest = read_manifest(masks)
    manifest.cases[CASES[0]]["key"] = "another model's"
    write_manifest(masks, manifest)
    pool_folds(study)
    assert scored == [CASES]


def test_dice_of_several_data_sets_choose_no_model(study, capsys):
    for entry in study.entries.values():
        entry.data = "hearts" if "0.1" in entry.swept[0] else "brains"
    pool_folds(study)
    assert not (study.folder / "ensemble.json").exists()
    said = capsys.readouterr().out
    for lr, data in ((0.1, "hearts"), (0.2, "brains")):
        assert f"folds/optimizer.lr={lr} uses the 2 folds of optimizer.lr={lr} on {data}" in said


def test_a_study_without_folds_pools_nothing(study):
    for entry in study.entries.values():
        entry.swept = entry.swept[:1]
    pool_folds(study)
    assert not (study.folder / "folds").exists()
