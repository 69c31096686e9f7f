"""Checks across keys."""

import pytest

from segkit.config.checks import check_inputs
from segkit.config.compose import configure
from segkit.foundation.errors import UsageError

TRAIN = ["data=paired", "data.root=.", "training.steps=1"]


def refusal(command: str, *words: str) -> str:
    with pytest.raises(UsageError) as caught:
        configure(command, words)
    return str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["training.steps=null"], "how long to train is not set: pass training.budget=10min or training.steps=1000"),
        (["training.budget=5min"], "training.budget=5min and training.steps=1 are both set: pass training.budget=null"),
        (["training.steps=null", "training.budget=0s"], "training.budget: 0s is no time at all"),
        (["training.fold=5"], "training.fold: 5 is neither all nor each nor one of the 5 folds (0 to 4)"),
        (["training.fold=al"], "training.fold: al is neither"),
        (["data.split.folds=leave_one_out", "training.fold=al"], "training.fold: al is neither all nor each nor the"),
        (["data.split.folds=leave_one_out", "training.fold='\u00b2'"], "training.fold: \u00b2 is neither all nor each"),
        (["data.channels={CT: mri}"], "data.channels.CT: mri is not one of ct, mr, pet, rgb, none; did you mean"),
        (["data.channels={}"], "data.channels is empty"),
        (["data.labels={air: 0, a: 1, b: 1}"], "data.labels: a and b both have the value 1"),
        (["data.labels={a: 1}"], "data.labels needs a background (that name, or the value 0) and at least one label"),
        (
            ["data.mirrored=[[foreground, foregruond]]"],
            "data.mirrored: foregruond is not a label; did you mean foreground?",
        ),
        (["data.mirrored=[[foreground]]"], "data.mirrored: ['foreground'] is not a pair"),
        (["data.mirrored=[[foreground, foreground]]"], "data.mirrored: ['foreground', 'foreground'] is not a pair"),
        (["data.split.folds=1"], "data.split.folds: 1 is neither a number from 2 on nor leave_one_out"),
        (["data.split.folds=some"], "data.split.folds: some is neither"),
        (["data.split.outer_folds=3"], "data.split.outer_folds and data.split.outer_fold belong together"),
        (["data.split.outer_folds=3", "data.split.outer_fold=3"], "data.split.outer_fold: 3 is none of 0 to 2"),
        (
            ["data.split.held_out_fraction=0.2", "data.split.outer_folds=3", "data.split.outer_fold=0"],
            "data.split.held_out_fraction and data.split.outer_folds are both set",
        ),
        (["debug=fats"], "debug: fats is not one of true, false, fast, overfit; did you mean fast?"),
        (["plan.orientation=RAX"], "plan.orientation: RAX is not three axis codes"),
        (["plan.orientation=RAL"], "plan.orientation: RAL is not three axis codes"),
        (["plan.spacing=[1,1]"], "plan.spacing: [1.0, 1.0] needs 3 values"),
        (["plan.spacing=[1,nan,1]"], "plan.spacing: [1.0, nan, 1.0] must be above zero, and finite"),
        (["plan.spacing=[1,inf,1]"], "plan.spacing: [1.0, inf, 1.0] must be above zero, and finite"),
        (["plan.patch=[0,8,8]"], "plan.patch: [0, 8, 8] must be above zero"),
        (["plan.patch=[1,8,8]"], "plan.patch: [1, 8, 8] is flat"),
        (["plan=slices_2d", "plan.patch=[8,8,8]"], "plan.patch: [8, 8, 8] must be 1 along exactly one axis"),
        (["plan.neighbours=1"], "plan.neighbours: 1 slices beside its own are for a 2D network"),
        (
            ["plan.batch=4", "plan.members=3", "training.devices=3"],
            "training.devices: 3 processes cannot share a batch of 4 evenly: pass plan.batch=6",
        ),
        (["name=../x"], "name: '../x' cannot be a folder's name"),
        (["device=gpu"], "device: gpu is not one of auto, cpu, cuda, cuda:1, mps; did you mean cuda?"),
    ],
)
def test_a_training_that_does_not_hold_together(words, message):
    assert refusal("train", *TRAIN, *words).startswith(message)


def test_what_holds_together():
    words = ["plan=slices_2d", "plan.patch=[64,64,1]", "plan.spacing=[1,1,3]", "plan.orientation=LPS", "device=cuda:1"]
    config = configure(
        "train",
        [*TRAIN, *words, "training.fold=4", "data.labels={background: 0, a: 1, b: 2}", "data.mirrored=[[a, b]]"],
    )
    assert config.plan.spacing == [1.0, 1.0, 3.0]
    assert config.training.fold == "4"


@pytest.mark.parametrize(
    ("command", "words", "message"),
    [
        ("predict", ["run=r"], "what to segment is not set: pass input=SCANS, split=held_out"),
        ("predict", ["run=r", "input=i", "split=held_out"], "input and split are both set"),
        ("predict", ["run=r", "input=i"], "output is not set: pass output=DIR"),
        ("predict", ["run=[]", "input=i", "output=o"], "run is empty: pass run=RUN"),
        (
            "predict",
            ["run=r", "input=i", "output=o", "postprocessing.rules={a: {fill_hole: true}}"],
            "postprocessing.rules.a.fill_hole is not a key; did you mean fill_holes? a rule has keep_largest, ",
        ),
        (
            "predict",
            ["run=r", "input=i", "output=o", "postprocessing.rules={a: {keep_largest: 1}}"],
            "postprocessing.rules.a.keep_largest: 1",
        ),
        (
            "predict",
            ["run=r", "input=i", "output=o", "postprocessing.rules={a: {smallest_mm3: -2}}"],
            "postprocessing.rules.a.smallest_mm3: -2",
        ),
        (
            "predict",
            ["run=r", "input=i", "output=o", "postprocessing.rules={a: true}"],
            "postprocessing.rules: {a: true} is not a mapping",
        ),
        ("evaluate", ["predictions=p"], "references is not set"),
        ("evaluate", ["references=p"], "predictions is not set"),
        ("evaluate", ["predictions=p", "references=r"], "output is not set"),
        ("evaluate", ["predictions=p", "run=r"], "run and predictions are both set"),
    ],
)
def test_what_to_work_on_is_said_once(command, words, message):
    assert refusal(command, *words).startswith(message)


def test_inputs_must_exist(tmp_path):
    (tmp_path / "file").touch()
    check_inputs(configure("convert", [f"input={tmp_path}/file", "output=o"]))
    missing = configure("predict", [f"run=[{tmp_path},{tmp_path}/no]", f"input={tmp_path}", "output=o"])
    with pytest.raises(UsageError, match=f"run: there is no file or folder {tmp_path}/no"):
        check_inputs(missing)
    with pytest.raises(UsageError, match=f"data.root: there is no folder {tmp_path}/file"):
        check_inputs(configure("prepare", ["data=paired", f"data.root={tmp_path}/file"]))
    with pytest.raises(UsageError, match="there is no file or folder"):
        check_inputs(configure("convert", ["input=" + "x" * 5000, "output=o"]))
