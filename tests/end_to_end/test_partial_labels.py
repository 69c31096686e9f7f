"""Labels that are said to be drawn in every case are trained as if nothing had been said."""

import numpy as np
from safetensors.numpy import load_file

from segkit.commands.train import train
from segkit.config.compose import configure

DRAWN = "case,drawn\n" + "".join(
    f"ball_{index},{drawn}\n" for index, drawn in enumerate(["", "bright;dim"] * 4)
)  # an empty field: all were drawn


def test_nothing_missing_gives_the_weights_of_a_training_on_whole_references(ball_options, tmp_path):
    (tmp_path / "drawn.csv").write_text(DRAWN)
    partial = (f"data.columns={tmp_path / 'drawn.csv'}", "data.annotated=drawn")
    runs = [
        train(
            configure("train", [
                *ball_options, *words, "training.steps=3", f"paths.cache={tmp_path / 'cache'}",
                f"output={tmp_path / name}",
            ])
        )
        for name, words in (("whole", ()), ("partial", partial))
    ]  # fmt: skip
    whole, same = (load_file(run / "model" / "weights.safetensors") for run in runs)
    assert set(whole) == set(same)
    assert all(np.array_equal(whole[name], same[name]) for name in whole)
