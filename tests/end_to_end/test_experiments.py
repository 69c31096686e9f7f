"""Every experiment that is shipped: composed, built, and one step of everything."""

import pytest

from segkit.commands.train import train
from segkit.config.call import Call
from segkit.config.compose import configure
from segkit.config.groups import choices, config_sources
from segkit.foundation.files import read_json
from segkit.studies.sweep import compositions

SOURCES = config_sources()
EXPERIMENTS = [name for name in choices(SOURCES, "experiment") if name != "demo"]  # `segkit demo` has its own test
SWEPT = {
    "cv5": [(f"training.fold={fold}",) for fold in range(5)],
    "leave_one_out": [(f"training.fold={fold}",) for fold in range(6)],  # eight cases, two of them held out
    "compare_networks": [
        (f"network={name}", f"seed={seed}")
        for name in ("unet", "residual_unet", "attention_unet", "dense_unet")
        for seed in (1, 2)
    ],
    "ablate_losses": [
        (f"loss={name}", f"seed={seed}")
        for name in ("dice_cross_entropy", "dice", "dice_focal", "tversky")
        for seed in (1, 2)
    ],
    "learning_rate": [(f"optimizer.lr={rate}",) for rate in ("0.0003", "0.001", "0.003", "0.01")],
}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_takes_a_step(experiment, ball_options, tmp_path):
    words = [word for word in ball_options if not word.startswith("plan.patch")]
    patch = "plan.patch=[16,16,1]" if experiment.startswith("slices_2") else "plan.patch=[16,16,16]"
    own = [f"experiment={experiment}", patch, f"output={tmp_path / 'run'}", f"paths.cache={tmp_path / 'cache'}"]
    run = train(configure("train", [*words, *own, "debug=fast"]))
    assert read_json(run / "status.json")["steps"] == 1
    assert read_json(run / "evaluation" / "summary.json")["mean"]["dice"]["n"] == (
        1 if experiment == "leave_one_out" else 2
    )


@pytest.mark.parametrize("experiment", SWEPT)
def test_what_an_experiment_sweeps(experiment, ball_options):
    call = Call("train", (*ball_options, f"experiment={experiment}", "training.steps=3"))
    assert [combination.swept for combination, _ in compositions(call)] == SWEPT[experiment]


def test_what_is_typed_takes_the_place_of_what_an_experiment_sweeps(ball_options):
    words = (*ball_options, "experiment=compare_networks", "training.steps=3", "network=dynunet", "seed=5,6")
    found = compositions(Call("train", words))
    assert [combination.swept for combination, _ in found] == [("seed=5",), ("seed=6",)]
    assert {config.network["_target_"] for _, config in found} == {"segkit.networks.DynUNet"}
