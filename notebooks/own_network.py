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
# # A network of your own
#
# A network is any `torch.nn.Module` that maps `(N, C, *size)` to logits `(N, K, *size)`. It lives in a module of yours
# and is named by one yaml; nothing in segkit is edited. Planning, augmentation, the schedule and prediction stay the
# same.

# %%
import sys
import tempfile
from pathlib import Path

from segkit.datasets.phantom import make_cohort

folder = Path(tempfile.mkdtemp())
cohort = make_cohort(folder / "cohort", cases=10, held_out=2, seed=11)

# %% [markdown]
# ## One file, one yaml
#
# What the plan decides is handed to arguments of these names: `in_channels`, `out_channels`, `dims`.

# %%
SOURCE = '''
from torch import Tensor, nn


class Dilated(nn.Module):
    """Convolutions at full resolution that see further and further: 3, 7, 15, 31 and 63 voxels."""

    def __init__(self, in_channels: int, out_channels: int, dims: int, width: int = 16) -> None:
        super().__init__()
        convolution, norm = (nn.Conv3d, nn.InstanceNorm3d) if dims == 3 else (nn.Conv2d, nn.InstanceNorm2d)
        layers: list[nn.Module] = []
        for depth, channels in enumerate([in_channels, *[width] * 4]):
            step = 2**depth
            layers += [convolution(channels, width, 3, padding=step, dilation=step), norm(width), nn.LeakyReLU(0.01)]
        self.layers = nn.Sequential(*layers, convolution(width, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
'''
YAML = """
# Dilated convolutions at full resolution: no pooling, few weights.
_target_: my_networks.Dilated
width: 12             # channels of each layer
"""
(folder / "my_networks.py").write_text(SOURCE)
(folder / "my_conf/network").mkdir(parents=True)
(folder / "my_conf/network/dilated.yaml").write_text(YAML.lstrip())
sys.path.insert(0, str(folder))

# %% [markdown]
# ## Beside the U-Net
#
# The same cases, the same patches in the same order, the same number of steps.

# %%
from segkit.commands.train import train
from segkit.config.compose import configure


def trained(network: str) -> Path:
    words = [
        f"network={network}",
        "data=phantom_ct",
        f"data.root={cohort.folder}",
        "training.steps=100",
        "training.ema=0.9",
        "optimizer.lr=0.01",
        "plan.spacing=[6,6,6]",
        "plan.patch=[32,24,24]",
        "augmentation=none",
        f"output={folder / network}",
        f"paths.cache={folder / 'cache'}",
        *(["network.features=[8,16,32]"] if network == "unet" else []),
    ]
    return train(configure("train", words, config_dirs=[folder / "my_conf"]))


runs = {network: trained(network) for network in ("unet", "dilated")}

# %% [markdown]
# ## How it learns

# %%
import csv

import matplotlib.pyplot as plt
from safetensors.numpy import load_file

figure, axis = plt.subplots(figsize=(7, 3.4))
for network, run in runs.items():
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    weights = sum(array.size for array in load_file(run / "model/weights.safetensors").values())
    steps, losses = zip(*[(int(row["step"]), float(row["loss"])) for row in rows if row["loss"]], strict=True)
    axis.plot(steps, losses, label=f"{network}: {weights:,} weights")
axis.set(xlabel="step", ylabel="loss")
axis.legend()
figure.tight_layout()

# %% [markdown]
# ## Its masks
#
# What comes in a run folder is not trusted by itself: `trust` says that the code named there is yours.

# %%
from segkit.commands.evaluate import evaluate

for network, run in runs.items():
    found = evaluate(configure("evaluate", [f"run={run}", "trust=[my_networks]", "metrics.compute=[dice]"]))
    print(network, {label: round(metrics["dice"].mean, 3) for label, metrics in found.labels.items()})

# %%
import numpy as np

import segkit

case = cohort.held_out[0]
scan = segkit.read(cohort.images / case)
reference = segkit.read(cohort.references / f"{case}.dcm").array[0]
plane = int((reference > 0).sum(axis=(0, 1)).argmax())
shown = {"reference": reference}
for network, run in runs.items():
    shown[network] = segkit.load(run, trust=["my_networks"]).segment(cohort.images / case).array
figure, axes = plt.subplots(1, 3, figsize=(12, 3.2))
for axis, (title, labels) in zip(axes, shown.items(), strict=True):
    axis.imshow(scan.array[0, :, :, plane].T, cmap="gray", vmin=-150, vmax=250)
    axis.imshow(np.ma.masked_equal(labels[:, :, plane], 0).T, cmap="tab10", alpha=0.5, vmin=0, vmax=9)
    axis.set_title(title)
    axis.axis("off")
figure.tight_layout()
