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
# # Evaluation and statistics
#
# What the figures say, and how sure one may be of them. No network is needed for that: masks with known faults are made
# from the references of a synthetic cohort, so that each metric can be seen to find the fault that it is made for.

# %%
import tempfile
from pathlib import Path

import numpy as np
from scipy import ndimage

import segkit
from segkit.datasets.phantom import make_cohort
from segkit.volumes.writing import write_mask

folder = Path(tempfile.mkdtemp())
cohort = make_cohort(folder / "cohort", cases=12, held_out=2, seed=5)
scans = {case: segkit.read(cohort.images / case) for case in cohort.cases}
references = {case: segkit.read(cohort.references / f"{case}.dcm").array[0] for case in cohort.cases}

# %% [markdown]
# ## Masks with faults
#
# `shifted` lies two voxels to the side, `thin` has lost the outermost layer of every organ, and `speck` is perfect
# but for a small spot far from the liver.

# %%
LIVER = cohort.labels["liver"]


def shifted(labels: np.ndarray) -> np.ndarray:
    return np.roll(labels, 2, axis=0)


def thin(labels: np.ndarray) -> np.ndarray:
    inside = [ndimage.binary_erosion(labels == value) * value for value in cohort.labels.values()]
    return np.max(inside, axis=0).astype(labels.dtype)


def speck(labels: np.ndarray) -> np.ndarray:
    spotted = labels.copy()
    spotted[2:6, 2:6, :2] = LIVER
    return spotted


FAULTS = {"shifted": shifted, "thin": thin, "speck": speck}
for name, fault in FAULTS.items():
    (folder / name).mkdir()
    for case in cohort.cases:
        write_mask(fault(references[case]), scans[case], folder / name / f"{case}.nii.gz")

# %%
import matplotlib.pyplot as plt

case = cohort.cases[0]
plane = int((references[case] == LIVER).sum(axis=(0, 1)).argmax())
figure, axes = plt.subplots(1, 3, figsize=(12, 3.4))
for axis, (name, fault) in zip(axes, FAULTS.items(), strict=True):
    shown = plane if name != "speck" else 0
    axis.imshow(scans[case].array[0, :, :, shown].T, cmap="gray", vmin=-150, vmax=250)
    axis.contour((references[case][:, :, shown] == LIVER).T, levels=[0.5], colors="white", linewidths=1)
    axis.contour((fault(references[case])[:, :, shown] == LIVER).T, levels=[0.5], colors="tab:red", linewidths=1)
    axis.set_title(f"{name}: liver (red) and its reference (white)")
    axis.axis("off")
figure.tight_layout()

# %% [markdown]
# ## Which metric sees which fault
#
# As `segkit evaluate predictions=MASKS references=LABELS`. Dice hardly notices the speck, the mean distance little, and
# the largest distance says it at once. The 95th percentile is made to overlook it. `thin` keeps its place and loses
# volume; `shifted` keeps its volume and loses its place.

# %%
from segkit.evaluation.evaluate import evaluate_pairs
from segkit.evaluation.settings import Settings

settings = Settings(compute=("dice", "hd", "hd95", "assd", "nsd", "volume_difference"))
evaluations = {
    name: evaluate_pairs(
        {case: (folder / name / f"{case}.nii.gz", cohort.references / f"{case}.dcm") for case in cohort.cases},
        cohort.labels,
        settings,
        workers=1,
        tolerance=0.01,
    )
    for name in FAULTS
}
print(f"{'liver':10s}" + "".join(f"{metric:>20s}" for metric in settings.compute))
for name, evaluation in evaluations.items():
    print(f"{name:10s}" + "".join(f"{evaluation.labels['liver'][metric].mean:20.3f}" for metric in settings.compute))
liver = {name: evaluation.labels["liver"] for name, evaluation in evaluations.items()}
assert liver["speck"]["dice"].mean > 0.99
assert liver["speck"]["hd"].mean > 10 * liver["speck"]["hd95"].mean
assert abs(liver["shifted"]["volume_difference"].mean) < abs(liver["thin"]["volume_difference"].mean)

# %% [markdown]
# ## Empty masks
#
# Not every patient has a lesion. Here four have none, and in one of them the mask has found one nevertheless. Where
# neither mask nor reference holds a lesion, the case is left out and counted; where one of them does, it gets the worst
# value. With `metrics.both_empty=best` the former count as perfect; `metrics.one_empty=left_out` forgives false alarms
# and misses.

# %%
LESION = cohort.labels["lesion"]
for name in ("healed_masks", "healed_references"):
    (folder / name).mkdir()
for number, case in enumerate(cohort.cases):
    healed = np.where(references[case] == LESION, LIVER, references[case])
    is_healthy = number < 4
    alarm = thin(references[case]) if number == 0 or not is_healthy else healed
    write_mask(healed if is_healthy else references[case], scans[case], folder / f"healed_references/{case}.nii.gz")
    write_mask(alarm, scans[case], folder / f"healed_masks/{case}.nii.gz")

pairs = {
    case: (folder / f"healed_masks/{case}.nii.gz", folder / f"healed_references/{case}.nii.gz") for case in cohort.cases
}
for both_empty, one_empty in (("left_out", "worst"), ("best", "worst"), ("left_out", "left_out")):
    rules = Settings(compute=("dice",), both_empty=both_empty, one_empty=one_empty)
    found = evaluate_pairs(pairs, cohort.labels, rules, workers=1).labels["lesion"]["dice"]
    print(f"both_empty={both_empty:9s} one_empty={one_empty:9s} lesion Dice {found.mean:.3f} over {found.n} cases")

# %% [markdown]
# ## How sure is a mean?
#
# The interval is the bootstrap's over cases. With few cases it is wide, and no metric can mend that.

# %%
from segkit.evaluation.intervals import bootstrap_interval

scores = np.array([evaluations["thin"].scores[case]["kidney"]["dice"] for case in cohort.cases])
counts = range(3, len(scores) + 1)
ends = np.array([bootstrap_interval(scores[:count, None], resamples=2000)[:, 0] for count in counts])
figure, axis = plt.subplots(figsize=(7, 3.2))
axis.fill_between(counts, ends[:, 0], ends[:, 1], alpha=0.3, label="95% interval")
axis.plot(counts, [scores[:count].mean() for count in counts], label="mean")
axis.plot(range(1, len(scores) + 1), scores, "k.", label="each case")
axis.set_xlabel("cases")
axis.set_ylabel("Dice of the kidneys, thin masks")
axis.legend()
figure.tight_layout()

# %% [markdown]
# ## Is one method better?
#
# Scores of the same case belong together, so differences are tested, not means. The sentence is what one may say. This
# is what `segkit compare` does with runs.

# %%
from segkit.evaluation.comparison.comparing import compare
from segkit.evaluation.comparison.comparison import Method, Question

methods = [Method(name, evaluation.scores) for name, evaluation in evaluations.items() if name != "speck"]
comparison = compare(methods, Question(metric="dice", label="kidney", baseline="thin", resamples=2000))
for standing in comparison.standings:
    if standing.difference is not None:
        print(standing.difference.sentence)

# %%
columns = [[evaluations[method.name].scores[case]["kidney"]["dice"] for case in cohort.cases] for method in methods]
figure, axis = plt.subplots(figsize=(5, 3.4))
axis.plot([0, 1], np.array(columns), color="grey", marker="o", linewidth=0.8)
axis.set_xticks([0, 1], [method.name for method in methods])
axis.set_xlim(-0.3, 1.3)
axis.set_ylabel("Dice of the kidneys")
axis.set_title("a line is a case")
figure.tight_layout()
