"""`study.resume=DIR`, with a launcher that trains nothing."""

import json
import shutil

import pytest

from segkit.config.call import Call
from segkit.foundation.errors import CasesFailedError, DataError, SegkitError, UsageError
from segkit.foundation.files import read_json, read_yaml
from segkit.foundation.locks import lock
from segkit.studies.sweep import sweep
from tests.studies import toy_launchers

TOY = "launcher._target_=tests.studies.toy_launchers.Toy"


@pytest.fixture
def words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cohort" / "images").mkdir(parents=True)
    toy_launchers.STARTED.clear()
    return ("data=paired", "data.root=cohort", "training.steps=5", "seed=1,2,3", "output=out")


@pytest.fixture
def broken(words, tmp_path):
    """A study of which the second trial failed."""
    with pytest.raises(CasesFailedError):
        sweep(Call("train", (*words, TOY, "+launcher.fail=['seed=2']")))
    toy_launchers.STARTED.clear()
    return tmp_path / "out"


def states(study) -> dict[str, str]:
    return {trial["name"]: trial["state"] for trial in read_json(study / "study.json")["trials"]}


def resume(*words: str):
    return sweep(Call("train", ("study.resume=out", *words)))


def test_finished_trials_are_kept_and_the_others_started(broken):
    assert states(broken)["seed=2"] == "failed with exit code 3"
    command = read_json(broken / "study.json")["command"]
    assert resume(TOY) == broken
    assert toy_launchers.STARTED == ["seed=2"]
    assert set(states(broken).values()) == {"finished"}
    assert read_json(broken / "study.json")["command"] == command
    resume(TOY)
    assert toy_launchers.STARTED == ["seed=2"]


def test_the_same_words_go_on_too_and_new_ones_add_trials(broken, words):
    sweep(Call("train", (*words, TOY)))
    assert toy_launchers.STARTED == ["seed=2"]
    sweep(Call("train", (*words[:3], "seed=1,4", "output=out", TOY)))
    assert toy_launchers.STARTED == ["seed=2", "seed=4"]


def test_a_trial_whose_run_is_gone_starts_anew(broken):
    (broken / "seed=1" / "status.json").unlink()
    resume(TOY)
    assert toy_launchers.STARTED == ["seed=1", "seed=2"]


def test_a_study_that_was_moved_goes_on_where_it_is(broken, tmp_path):
    broken.rename(tmp_path / "moved")
    sweep(Call("train", ("study.resume=moved", TOY)))
    rows = read_json(tmp_path / "moved" / "study.json")["trials"]
    assert [row["run"] for row in rows] == [str(tmp_path / "moved" / row["name"]) for row in rows]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("seed=5", "seed cannot change when a study goes on"),
        ("training.steps=9", r"training\.steps cannot change"),
        ("debug=false", r"type launcher=\.\.\. again"),  # a stranger's launcher might hold commands
    ],
)
def test_what_cannot_be_typed(broken, more, message):
    with pytest.raises(UsageError, match=message):
        resume(more)
    assert toy_launchers.STARTED == []


def test_no_study(words, tmp_path):
    with pytest.raises(UsageError, match="is not the folder of a study"):
        sweep(Call("train", ("study.resume=cohort",)))


def test_a_study_that_runs_is_left_as_it_is(broken, words):
    config = broken / "configs" / "seed=2" / "config.yaml"
    before = config.read_bytes()
    other = [word.replace("steps=5", "steps=7") for word in words]
    with lock(broken / ".lock", doing="running it"):
        with pytest.raises(SegkitError, match="another process is still running the study"):
            sweep(Call("train", (*other, TOY)))
        with pytest.raises(SegkitError, match="another process is still running the study"):
            resume(TOY)
    assert config.read_bytes() == before
    assert toy_launchers.STARTED == []


def test_a_run_of_another_config_is_not_gone_on_with(broken, words):
    words = (*words, "data.channels={CT: ct}", "data.labels={background: 0, liver: 1}")
    sweep(Call("train", (*words, TOY)))
    shutil.copy(broken / "configs" / "seed=2" / "config.yaml", broken / "seed=2")
    sweep(Call("train", (*words, TOY)))
    other = [word.replace("steps=5", "steps=7") for word in words]
    with pytest.raises(UsageError, match=r"seed=2 holds a run .* training\.steps \(5 -> 7\): .*study\.resume="):
        sweep(Call("train", (*other, TOY)))
    assert read_yaml(broken / "configs" / "seed=1" / "config.yaml")["training"]["steps"] == 5


def test_a_record_without_trials_or_words(broken):
    record = read_json(broken / "study.json")
    for trials, said in (
        ([], "lists no trials"),
        ([{**record["trials"][0], "swept": 3}], "words of seed=1 are no list"),
    ):
        (broken / "study.json").write_text(json.dumps({**record, "trials": trials}))
        with pytest.raises(DataError, match=said):
            resume(TOY)


def test_a_strangers_study_names_nothing_of_its_own(broken):
    config = broken / "configs" / "seed=2" / "config.yaml"
    config.write_text(config.read_text().replace("segkit.training.optimizers.Muon", "shutil.rmtree"))
    with pytest.raises((UsageError, DataError), match="shutil"):
        resume(TOY)
    assert toy_launchers.STARTED == []


@pytest.mark.parametrize("name", ["../elsewhere", "configs", "", 3])
def test_a_strangers_study_stays_in_its_folder(broken, name):
    record = read_json(broken / "study.json")
    record["trials"][0]["name"] = name
    (broken / "study.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match="no folder of the study"):
        resume(TOY)
