from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from segkit import cli
from segkit.commands import other_site
from segkit.commands.other_site import common_labels
from segkit.commands.predict import scans_of
from segkit.datasets.case import Case
from segkit.datasets.columns import read_rows
from segkit.datasets.parquet import read_parquet
from segkit.evaluation.cases import foreground_of
from segkit.foundation.errors import DataError, UsageError
from segkit.inference.cohort import Cohort

MODEL = {"background": 0, "liver": 1, "tumour": 2}


def test_labels_that_both_have_are_scored_and_the_rest_is_background(capsys):
    found = common_labels(MODEL, {"background": 0, "kidney": 4, "liver": 1, "ignore": 9})
    assert found == {"background": [0, 2, 4], "liver": 1, "ignore": 9}
    assert foreground_of(found) == {"liver": (1,)}
    assert "knows kidney, tumour" in capsys.readouterr().err
    assert common_labels(MODEL, MODEL) == {"background": [0], "liver": 1, "tumour": 2}


def test_a_part_of_a_region_that_is_scored_stays_in_it():
    regions = {"background": 0, "whole": [1, 2], "core": 2}
    assert common_labels(regions, {"background": 0, "whole": [1, 2]}) == {"background": [0], "whole": [1, 2]}


def test_labels_that_do_not_fit():
    with pytest.raises(UsageError, match=r"label liver is \[1\] in the model's masks and \[3\] in the data set's"):
        common_labels(MODEL, {"liver": 3})
    with pytest.raises(UsageError, match="none fits"):
        common_labels(MODEL, {"background": 0, "kidney": 1})


def test_channels_by_name_or_the_only_one():
    one = {"a": Case("a", {"MR": "a.nii"})}
    assert scans_of(one, ["T1"], "site") == {"a": {"T1": "a.nii"}}
    two = {"a": Case("a", {"T2": "2.nii", "T1": "1.nii"})}
    assert list(scans_of(two, ["T1", "T2"], "site")["a"].items()) == [("T1", "1.nii"), ("T2", "2.nii")]
    with pytest.raises(DataError, match="a of site has the channels T2, T1, and the model takes T1, FLAIR"):
        scans_of(two, ["T1", "FLAIR"], "site")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Three scans and their references, and the words that name them."""
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        noise = np.random.default_rng(ord(name)).normal(size=(20, 19, 17))
        for folder, array in (("images", noise), ("labels", np.where(noise > 1, 3, 0))):
            (tmp_path / "site" / folder).mkdir(parents=True, exist_ok=True)
            nib.save(
                nib.Nifti1Image(array.astype(np.float32), np.eye(4)), tmp_path / "site" / folder / f"{name}.nii.gz"
            )
    return ["data=paired", "data.root=site", "data.channels={MR: mr}", "data.labels={background: 0, left: 3, right: 7}"]


def flags_in(folder):
    (table,) = (path for path in folder.iterdir() if path.suffix in (".csv", ".parquet"))
    rows = read_parquet(table) if table.suffix == ".parquet" else read_rows(table, needs=["case", "flagged"])
    return {row["case"]: row["flagged"].lower() for row in rows}


def test_masks_of_a_data_set_are_shared_among_jobs_and_the_least_sure_is_flagged(site, untrained_run, tmp_path, capsys):
    run = untrained_run()
    words = ["predict", f"run={run}", "device=cpu", "inference.mirror=none", "scores.expected_dice=true",
             "scores.flagged=0.4"]  # fmt: skip
    assert cli.main([*words, *site, "output=masks", "launcher=local", "launcher.parallel=2"]) == 0
    assert "3 scans, divided into 2 jobs" in capsys.readouterr().out
    assert cli.main([*words, "input=site/images", "output=alone"]) == 0
    for name in "abc":
        masks = [(tmp_path / folder / f"{name}.nii.gz").read_bytes() for folder in ("masks", "alone")]
        assert masks[0] == masks[1]
    flags = [flags_in(tmp_path / folder) for folder in ("masks", "alone")]
    assert flags[0] == flags[1]
    assert sorted(flags[0].values()) == ["false", "true", "true"]


def test_the_jobs_of_an_evaluation_on_another_site_segment_too(site, untrained_run, monkeypatch):
    asked = []

    def segment(config):
        asked.append(config)
        return Cohort({}, 0, {})

    monkeypatch.setattr(other_site, "segment", segment)
    run = untrained_run()
    assert cli.main(["evaluate", f"run={run}", *site, "launcher=local", "device=cpu"]) == 1  # nothing was segmented
    (config,) = asked
    assert (config.input, config.data.root, config.launcher["_target_"]) == (
        None, str(Path("site").absolute()), "segkit.studies.local.LocalLauncher",
    )  # fmt: skip
