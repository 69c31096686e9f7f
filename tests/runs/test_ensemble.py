"""`ensemble.json`: the runs of a study that make one model."""

import json

import pytest

from segkit.config.rules import Rule
from segkit.foundation.errors import DataError
from segkit.runs.ensemble import Ensemble, is_ensemble, read_ensemble, runs_of, write_ensemble


def test_what_is_written_is_read_in_the_study_and_in_its_folders(tmp_path):
    ensemble = Ensemble((tmp_path / "a", tmp_path / "b"), {"liver": Rule(keep_largest=True)}, 0.5)
    for folder in (tmp_path, tmp_path / "folds" / "unet"):
        assert not is_ensemble(folder)
        write_ensemble(folder, tmp_path, ensemble)
        found = read_ensemble(folder)
        assert [run.resolve() for run in found.members] == [tmp_path / "a", tmp_path / "b"]
        assert (found.rules, found.dice) == (ensemble.rules, 0.5)
        assert len(runs_of(folder)) == 2
    assert runs_of(tmp_path / "a") == [tmp_path / "a"]


@pytest.mark.parametrize(
    "change",
    [
        {"members": []}, {"members": ["../a"]}, {"members": [".."]}, {"members": [3]}, {"study": "/etc"},
        {"postprocessing": {"liver": {"explode": True}}},
    ],
)  # fmt: skip
def test_a_strangers_ensemble_stays_in_its_study(tmp_path, change):
    write_ensemble(tmp_path, tmp_path, Ensemble((tmp_path / "a",)))
    record = json.loads((tmp_path / "ensemble.json").read_text()) | change
    (tmp_path / "ensemble.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"ensemble\.json"):
        read_ensemble(tmp_path)
