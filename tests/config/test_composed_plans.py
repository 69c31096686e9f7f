"""What a typed plan, preset or length does to what is composed with it."""

import pytest

from segkit.config.compose import configure
from segkit.foundation.errors import UsageError


@pytest.mark.parametrize("preset", ["small", "medium", "large"])
def test_a_preset_for_gpus_has_residual_encoders_unless_another_network_is_typed(preset, tmp_path):
    words = ["data=paired", f"data.root={tmp_path}", f"plan={preset}"]
    assert configure("prepare", words).network["blocks"] == [1, 3, 4, 6, 6, 6]
    config = configure("train", ["network=dynunet", *words, "training.steps=1"])
    assert config.network["_target_"] == "segkit.networks.DynUNet"
    assert configure("prepare", [*words[:2], "plan=cpu"]).network["blocks"] is None


def test_an_edited_plan_is_passed_back_by_its_path(tmp_path):
    (tmp_path / "my plan=1.yaml").write_text("dims: 3")
    config = configure(
        "train", ["data=paired", f"data.root={tmp_path}", f"plan={tmp_path}/my plan=1.yaml", "training.steps=1"]
    )
    assert config.plan.file == f"{tmp_path}/my plan=1.yaml"
    assert configure("prepare", ["data=paired", f"data.root={tmp_path}", "plan=slices_2d.yaml"]).plan.file is None


def test_options_of_the_planner_beside_a_stored_plan_are_refused_unless_an_earlier_stage_is_planned_too(tmp_path):
    (tmp_path / "plan.yaml").write_text("dims: 3")
    stored = f"plan={tmp_path}/plan.yaml"
    words = ["data=paired", f"data.root={tmp_path}", "training.steps=1", "plan.batch=4", "plan.order=1"]
    with pytest.raises(UsageError, match=r"^plan\.batch, plan\.order would change nothing beside plan\.file: edit /"):
        configure("train", [*words, stored])
    assert configure("train", words).plan.batch == 4
    assert configure("train", [*words, stored, "cascade=low_full"]).plan.batch == 4


def test_a_typed_length_replaces_the_experiments(tmp_path):
    words = ["data=hippocampus", f"data.root={tmp_path}", "experiment=hippocampus_cpu"]
    assert configure("train", words).training.budget == "10min"
    by_steps = configure("train", [*words, "training.steps=5"]).training
    assert (by_steps.budget, by_steps.steps) == (None, 5)
    by_clock = configure("train", [*words, "training.budget=3min"]).training
    assert (by_clock.budget, by_clock.steps) == ("3min", None)
