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
# # From DICOM to DICOM SEG
#
# A hospital sends DICOM and wants DICOM back. Here a cohort of synthetic CT series with DICOM SEG references stands in
# for its export: it is listed, a small network learns from it, and one series gets a SEG, an RTSTRUCT and a NIfTI mask.

# %%
import tempfile
from pathlib import Path

from segkit.datasets.phantom import make_cohort

folder = Path(tempfile.mkdtemp())
cohort = make_cohort(folder / "export", cases=8, held_out=2, seed=3)

# %% [markdown]
# ## What is in the export
#
# As `segkit convert input=EXPORT list=true`: one row for each series, and what is odd about it.

# %%
from segkit.commands.convert import convert
from segkit.config.compose import configure

convert(configure("convert", [f"input={cohort.images}", "list=true"]))

# %% [markdown]
# ## Training on series and their SEG objects
#
# Series and references find each other by UID. Ninety steps on two cores take some seconds, and are enough to
# see organs; minutes are for good masks.

# %%
from segkit.commands.train import train

run = train(
    configure(
        "train",
        [
            "data=phantom_ct",
            f"data.root={cohort.folder}",
            "experiment=demo",
            "training.budget=null",
            "training.steps=90",
            f"output={folder / 'run'}",
            f"paths.cache={folder / 'cache'}",
        ],
    )
)

# %% [markdown]
# ## One series, three forms of its mask

# %%
from segkit.commands.predict import predict

case = cohort.held_out[0]
series = cohort.images / case
predict(
    configure(
        "predict",
        [f"run={run}", f"input={series}", f"output={folder / 'masks'}", "export=[nifti,dicom_seg,rtstruct]"],
    )
)
written = sorted(path for path in (folder / "masks").rglob(f"*{case}*") if path.is_file())
for path in written:
    print(path.name, f"{path.stat().st_size / 1000:.0f} kB")

# %% [markdown]
# ## What a viewer will read in the SEG
#
# It refers to the series that it was drawn on, in the same frame of reference, and its segments carry codes.

# %%
import pydicom

seg_path = next(path for path in written if path.suffix == ".dcm" and "rtstruct" not in path.name)
seg = pydicom.dcmread(seg_path)
scan_header = pydicom.dcmread(next(series.iterdir()))
assert seg.FrameOfReferenceUID == scan_header.FrameOfReferenceUID
assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == scan_header.SeriesInstanceUID
for segment in seg.SegmentSequence:
    code = segment.SegmentedPropertyTypeCodeSequence[0]
    print(
        segment.SegmentNumber, segment.SegmentLabel, "is", code.CodingSchemeDesignator, code.CodeValue, code.CodeMeaning
    )

# %% [markdown]
# ## There and back
#
# `segkit convert input=SEG like=SERIES` draws the SEG on its series again: voxel for voxel the mask that was written.

# %%
import numpy as np

import segkit

again = convert(configure("convert", [f"input={seg_path}", f"like={series}", f"output={folder / 'again.nii.gz'}"]))
mask = segkit.read(next(path for path in written if path.name.endswith(".nii.gz")))
assert np.array_equal(segkit.read(again).array, mask.array)
print("voxels:", {label: int((mask.array == value).sum()) for label, value in cohort.labels.items()})

# %% [markdown]
# ## Seen

# %%
import matplotlib.pyplot as plt

scan = segkit.read(series)
reference = segkit.read(cohort.references / f"{case}.dcm")
sizes = (mask.array[0] > 0).sum(axis=(0, 1))
planes = np.flatnonzero(sizes)[[len(np.flatnonzero(sizes)) * part // 4 for part in (1, 2, 3)]]
figure, axes = plt.subplots(1, 3, figsize=(12, 3.4))
colours = ["tab:blue", "tab:orange", "tab:green", "tab:red"]
for axis, plane in zip(axes, planes, strict=True):
    axis.imshow(scan.array[0, :, :, plane].T, cmap="gray", vmin=-150, vmax=250)
    for value, colour in enumerate(colours, start=1):
        for labels, style in ((reference.array[0], "dashed"), (mask.array[0], "solid")):
            inside = value == labels[:, :, plane].T
            if inside.any():
                axis.contour(inside, levels=[0.5], colors=colour, linestyles=style, linewidths=1)
    axis.set_title(f"slice {plane}")
    axis.axis("off")
figure.suptitle("solid: the mask that left as DICOM SEG; dashed: the reference")
figure.tight_layout()
