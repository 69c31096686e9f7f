# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A sweep, and what may be said of it
#
# Which loss? Three trainings on a synthetic cohort, each a process of its own, then a paired comparison on the cases
# that validate. The trainings are far too short for good masks: this page shows the way.

# %%
import tempfile
from pathlib import Path

from segkit.datasets.phantom import make_cohort

folder = Path(tempfile.mkdtemp())
cohort = make_cohort(folder / "cohort", cases=10, held_out=2, seed=7)

# %% [markdown]
# ## Three losses
#
# The words are those of `segkit train -m`. Every combination is composed and checked before the first one starts. The
# first of two folds validates: four of the eight cases that are not held out.

# %%
from segkit.config.call import Call
from segkit.studies.sweep import sweep

words = [
    "data=phantom_ct",
    f"data.root={cohort.folder}",
    "loss=dice_cross_entropy,tversky,focal",
    "data.split.folds=2",
    "training.fold=0",
    "training.steps=24",
    "training.ema=0.9",
    "optimizer.lr=0.01",
    "training.validate_every=8",
    "plan.spacing=[6,6,6]",
    "plan.patch=[32,24,24]",
    "network.features=[8,16,32]",
    "augmentation=none",
    "launcher.parallel=2",
    "launcher.cores=1",
    f"output={folder / 'study'}",
    f"paths.cache={folder / 'cache'}",
]
study = sweep(Call("train", tuple(words), cwd=Path.cwd()))

# %% [markdown]
# ## How they went
#
# Each training has a run folder with its `metrics.csv`.

# %%
import csv

import matplotlib.pyplot as plt

runs = sorted(path.parent for path in study.glob("*/metrics.csv"))
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6))
for run in runs:
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    losses = [(int(row["step"]), float(row["loss"])) for row in rows if row["loss"]]
    scores = [(int(row["step"]), float(row["dice"])) for row in rows if row.get("dice")]
    left.plot(*zip(*losses, strict=True), label=run.name)
    right.plot(*zip(*scores, strict=True), marker="o", label=run.name)
left.set(xlabel="step", ylabel="loss", title="losses of two kinds are no common scale ...")
right.set(xlabel="step", ylabel="Dice", title="... the Dice of the cases that validate is")
right.legend(fontsize=8)
figure.tight_layout()

# %% [markdown]
# ## Which is better?
#
# As `segkit compare runs=STUDY`. All are seen on the same cases, so that each is compared with the
# best case by case; the p values are corrected for having looked for the best. Held-out cases stay untouched until the
# choice is made.

# %%
from segkit.commands.compare import compare
from segkit.config.compose import configure

(comparison,) = compare(configure("compare", [f"runs={study}", "difference=0.05"]))
for standing in comparison.standings:
    if standing.difference is not None:
        print(standing.difference.sentence)

# %% [markdown]
# Four cases show little, and that is what intervals and sentences say. `experiment=cv5` lets every case validate once.

# %%
names = [standing.name for standing in comparison.standings]
means = [standing.score.mean for standing in comparison.standings]
ends = [standing.score.ci95 for standing in comparison.standings]
figure, axis = plt.subplots(figsize=(8, 2.6))
axis.hlines(range(len(names)), [low for low, _ in ends], [high for _, high in ends], color="tab:blue", alpha=0.5, lw=4)
axis.plot(means, range(len(names)), "o")
axis.set_yticks(range(len(names)), names)
axis.invert_yaxis()
axis.set_xlabel("mean Dice with its 95% interval")
figure.tight_layout()
