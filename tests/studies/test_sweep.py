"""`segkit train -m`: combinations, checks before the start, and what is recorded."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from segkit import cli
from segkit.config.call import Call
from segkit.config.groups import config_sources
from segkit.config.recorded import load_config, recorded_overrides
from segkit.foundation.errors import CasesFailedError, UsageError
from segkit.foundation.files import read_json, read_yaml
from segkit.studies.sweep import compositions, expand, sweep

SOURCES = config_sources()


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A working directory with a data set and a launcher that trains nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cohort" / "images").mkdir(parents=True)
    return ["data=paired", "data.root=cohort", "training.steps=5", "launcher._target_=tests.studies.toy_launchers.Toy"]


def swept(*words: str) -> list[tuple[str, ...]]:
    return [combination.swept for combination in expand(words, SOURCES)]


def test_every_combination_in_the_order_of_the_words():
    assert swept("seed=1,2", "data=paired", "network=unet,residual_unet") == [
        ("seed=1", "network=unet"),
        ("seed=1", "network=residual_unet"),
        ("seed=2", "network=unet"),
        ("seed=2", "network=residual_unet"),
    ]
    assert expand(["seed=1,2", "data=paired"], SOURCES)[1].words == ("seed=2", "data=paired")


def test_hydras_forms_of_a_sweep():
    assert swept("seed=range(1,4)") == [("seed=1",), ("seed=2",), ("seed=3",)]
    assert swept("network=glob(residual*)") == [("network=residual_encoder_unet",), ("network=residual_unet",)]
    assert swept("seed=choice(5,7)") == [("seed=5",), ("seed=7",)]
    assert swept("+optimizer.betas=[0.9,0.99],[0.8,0.9]") == [
        ("+optimizer.betas=[0.9,0.99]",),
        ("+optimizer.betas=[0.8,0.9]",),
    ]
    assert swept("data=paired") == [()]


def test_paths_are_never_swept():
    assert swept("output=a,b", "data.root=x,y") == [()]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("optimizer.lr=interval(0,1)", "an interval has no end of values"),
        ("network=glob(x*)", "nothing to sweep over"),
        ("training.stes=1,2", "training.stes is not a key"),
        ("resume=run", "resume goes on with one run"),
    ],
)
def test_what_cannot_be_swept(word, message):
    with pytest.raises(UsageError, match=message):
        expand([word], SOURCES)


def test_each_trial_gets_its_config_and_its_run_folder(study, tmp_path, capsys):
    words = (*study, "output=my study", "seed=1,2", "optimizer.lr=0.1,0.01")
    folder = sweep(Call("train", words, cwd=tmp_path))
    assert folder == tmp_path / "my study"
    trials = read_json(folder / "study.json")["trials"]
    assert [trial["name"] for trial in trials] == [
        "seed=1,optimizer.lr=0.1",
        "seed=1,optimizer.lr=0.01",
        "seed=2,optimizer.lr=0.1",
        "seed=2,optimizer.lr=0.01",
    ]
    assert {trial["state"] for trial in trials} == {"finished"}
    last = folder / "configs" / trials[-1]["name"] / "config.yaml"
    config = load_config("train", last)
    assert (config.seed, config.optimizer["lr"]) == (2, 0.01)
    assert config.output == str(folder / trials[-1]["name"]) == trials[-1]["run"]
    assert recorded_overrides(last) == (
        *study,
        "seed=2",
        "optimizer.lr=0.01",
        "plan.measure=false",
        f"output={config.output}",
    )
    said = capsys.readouterr().out
    assert f"wrote {folder}/study.json" in said
    assert "Dice -: no case of the trial validates. training.fold=0 or training.fold=each lets some" in said
    assert f"segkit compare runs={folder} scores held-out cases" in said


def test_without_an_output_a_study_lies_among_the_runs(study, tmp_path):
    folder = sweep(Call("train", (*study, "seed=1,2")))
    assert folder.parent == tmp_path / "runs" / "paired"
    assert sweep(Call("train", (*study, "name=a,b"))).parent == tmp_path / "runs" / "sweep"


def test_trials_that_fail_are_named_and_the_others_go_on(study, tmp_path):
    words = (*study, "output=out", "seed=1,2,3", "+launcher.fail=[seed=1]")
    with pytest.raises(CasesFailedError, match="1 of 3 trials failed: seed=1"):
        sweep(Call("train", tuple(word.replace("[seed=1]", "['seed=1']") for word in words)))
    trials = read_json(tmp_path / "out" / "study.json")["trials"]
    assert [trial["state"] for trial in trials] == ["failed with exit code 3", "finished", "finished"]
    assert trials[0]["seconds"] >= 0


def test_a_trial_that_cannot_be_started_fails_and_the_others_go_on(study, tmp_path):
    words = (*study, "output=out", "seed=1,2,3", "+launcher.refuse=['seed=2']")
    with pytest.raises(CasesFailedError, match=r"1 of 3 trials failed: seed=2 \(the queue takes no job of seed=2\)"):
        sweep(Call("train", words))
    trials = read_json(tmp_path / "out" / "study.json")["trials"]
    assert [trial["state"] for trial in trials] == ["finished", "failed with exit code 1", "finished"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("training.steps=5,many", "training.steps=many: training.steps: many is not an integer or null"),
        ("network=unet,unett", "trial network=unett: network=unett: there is no network of that name"),
        ("training.fold=0,9", "trial training.fold=9: training.fold: 9 is neither all nor each nor one of the 5 folds"),
        ("network.features=[8],[a]", "trial network.features=[a]: network.features: [a] is not a list of integers"),
    ],
)
def test_every_trial_is_checked_before_the_first_starts(study, tmp_path, word, message):
    with pytest.raises(UsageError) as caught:
        sweep(Call("train", (*study, "output=out", word)))
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_names_are_safe_and_unique(study, tmp_path):
    words = (*study, "output=out", "name='a b','a!b','A b'")
    sweep(Call("train", words))
    names = [trial["name"] for trial in read_json(tmp_path / "out" / "study.json")["trials"]]
    assert len({name.lower() for name in names}) == 3
    assert all(Path(name).name == name and " " not in name for name in names)


def test_one_method_over_data_sets_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own" / "data").mkdir(parents=True)
    for name in ("brains", "hearts", "lungs"):
        (tmp_path / name / "images").mkdir(parents=True)
        lines = ("# Test data", "defaults: [paired, _self_]", f"name: {name}", f"root: {tmp_path / name}")
        (tmp_path / "own" / "data" / f"{name}.yaml").write_text("\n".join(lines) + "\n")
    words = ("data=brains,hearts,lungs", "network=unet,residual_unet", "training.steps=5", "output=out",
             "launcher._target_=tests.studies.toy_launchers.Toy")  # fmt: skip
    assert cli.main(["train", "-m", "--config-dir", "own", *words]) == 0
    trials = read_json(tmp_path / "out" / "study.json")["trials"]
    assert [(trial["data"], trial["swept"][1]) for trial in trials] == [
        (name, f"network={network}")
        for name in ("brains", "hearts", "lungs")
        for network in ("unet", "residual_unet")
    ]  # fmt: skip
    for trial in trials:
        assert read_yaml(trial["run"].replace("/out/", "/out/configs/") + "/config.yaml")["data"]["root"] == str(
            tmp_path / trial["data"]
        )
    table = capsys.readouterr().out.partition("\ntrials\n")[2].splitlines()
    assert table[0].split() == ["trial", "data", "state", "time", "Dice"]
    assert [line.split()[1] for line in table[2:8]] == sorted(trial["data"] for trial in trials)


def test_a_study_goes_on_with_the_flag_of_studies_alone(study, tmp_path, capsys):
    assert cli.main(["train", "study.resume=out"]) == 2
    assert "study.resume=out goes on with a study, all of its trainings: add -m" in capsys.readouterr().err


def test_a_sweep_is_started_once_and_has_a_gpu_for_each_process(study, monkeypatch):
    with pytest.raises(UsageError, match=r"launcher\.parallel=0: pass 1 or more"):
        sweep(Call("train", (*study, "seed=1,2", "+launcher.parallel=0")))
    with pytest.raises(UsageError, match=r"training\.devices=2 takes a GPU for each process: pass launcher\.gpus=2"):
        sweep(Call("train", (*study, "training.devices=1,2", "+launcher.gpus=1")))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    with pytest.raises(UsageError, match="several times over by torchrun: leave torchrun out"):
        sweep(Call("train", (*study, "seed=1,2")))


def test_trials_know_what_their_transforms_learn_from_a_file(study, tmp_path):
    nib.save(nib.Nifti1Image(np.arange(64.0, dtype=np.float32).reshape(4, 4, 4), np.eye(4)), tmp_path / "a.nii")
    words = [*study, "preprocessing=histogram_matching", "seed=1,2"]
    reference = "preprocessing.on_scan.0.reference_file"
    for _, config in compositions(Call("train", (*words, f"{reference}=a.nii"))):
        (transform,) = config.preprocessing.on_scan
        assert "reference_file" not in transform
        assert (transform["quantiles"][0], transform["quantiles"][-1]) == (0, 63)
    with pytest.raises(UsageError, match=r"trial seed=1: preprocessing\.on_scan\.0: HistogramMatching: reference_file"):
        compositions(Call("train", (*words, f"{reference}=b.nii")))
