"""ISBI 2012 membranes: one fold, one budget, beside MONAI's UNet at the same budget and a fixed threshold.

    python scripts/benchmarks/membranes.py DATA WORK [--budget 600] [--fold 0]

DATA has images/ and labels/ (cells 255, membranes 0). Both networks train with the same threads on the same sections,
one after the other; MONAI's is its 2D UNet with residual units and the patches, flips, turns and intensity changes of
MONAI's tutorials, AdamW and a cosine over the budget. The threshold is the one that divides the training sections best.
Printed: mean Dice of the cells, and F1 of their boundaries within 2 pixels, over the held-out sections.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

CELL = 255
TOLERANCE = 2  # pixels
PATCH, BATCH = (256, 256), 8
Mask = NDArray[np.bool_]


def picture(path: Path) -> NDArray[np.float32]:
    """Read a section's grey values."""
    return np.asarray(Image.open(path).convert("L"), np.float32)


def dice(mask: Mask, reference: Mask) -> float:
    """Return the Dice of two masks."""
    return float(2 * (mask & reference).sum() / (mask.sum() + reference.sum()))


def rim(mask: Mask) -> Mask:
    """Return the pixels of a mask that touch its outside."""
    rimmed: Mask = mask & ~ndimage.binary_erosion(mask, border_value=1)
    return rimmed


def boundary_f1(mask: Mask, reference: Mask) -> float:
    """Return F1 of boundary pixels that lie near one of the other mask (Csurka et al. 2013, BMVC)."""
    ours, theirs = rim(mask), rim(reference)
    precision = float((ndimage.distance_transform_edt(~theirs)[ours] <= TOLERANCE).mean()) if ours.any() else 0.0
    recall = float((ndimage.distance_transform_edt(~ours)[theirs] <= TOLERANCE).mean()) if theirs.any() else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def of_segkit(data: Path, work: Path, budget: float, fold: int) -> dict[str, Any]:
    """Train and predict with segkit's commands; return the split and the masks of its validation sections."""
    run = work / "run"
    words = ["data=em_membranes", f"data.root={data}", "plan=slices_2d", f"training.fold={fold}"]
    words += [f"training.budget={budget:g}s", f"output={run}"]
    for command in (["train", *words], ["predict", f"run={run}", "split=validation"]):
        subprocess.run([sys.executable, "-m", "segkit", *command], check=True)
    split = json.loads((run / "split.json").read_text())
    masks = {path.stem: picture(path) == CELL for path in (run / "predictions" / "validation").glob("*.png")}
    return {"split": split, "masks": masks, "steps": json.loads((run / "status.json").read_text())["steps"]}


def monais_patches(data: Path, cases: list[str]) -> Any:
    """Return random patches of the training sections as MONAI's tutorials draw them, without end."""
    from monai.data import CacheDataset, DataLoader, list_data_collate
    from monai.transforms import (
        Compose,
        EnsureTyped,
        NormalizeIntensityd,
        RandFlipd,
        RandGaussianNoised,
        RandRotate90d,
        RandScaleIntensityd,
        RandShiftIntensityd,
        RandSpatialCropSamplesd,
    )

    both = ["image", "label"]
    steps = [
        EnsureTyped(both),
        NormalizeIntensityd("image"),
        RandSpatialCropSamplesd(both, PATCH, num_samples=BATCH // 2, random_size=False),
        RandFlipd(both, prob=0.5, spatial_axis=0),
        RandFlipd(both, prob=0.5, spatial_axis=1),
        RandRotate90d(both, prob=0.5),
        RandScaleIntensityd("image", factors=0.1, prob=0.5),
        RandShiftIntensityd("image", offsets=0.1, prob=0.5),
        RandGaussianNoised("image", prob=0.1, std=0.1),
    ]
    sections = [
        {
            "image": picture(data / "images" / f"{case}.png")[None],
            "label": (picture(data / "labels" / f"{case}.png") == CELL)[None].astype(np.float32),
        }
        for case in cases
    ]
    dataset = CacheDataset(sections, Compose(steps), progress=False)
    loader = DataLoader(dataset, batch_size=2, shuffle=True, collate_fn=list_data_collate, drop_last=True)
    while True:
        yield from loader


def of_monai(data: Path, split: dict[str, list[str]], budget: float) -> dict[str, Any]:
    """Train MONAI's UNet for the budget; return its masks of the validation sections."""
    import torch
    from monai.inferers import sliding_window_inference
    from monai.losses import DiceCELoss
    from monai.networks.nets import UNet
    from monai.utils import set_determinism

    set_determinism(0)
    network = UNet(2, 1, 2, channels=(16, 32, 64, 128, 256), strides=(2, 2, 2, 2), num_res_units=2, norm="instance")
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    loss = DiceCELoss(softmax=True, to_onehot_y=True)
    patches, steps, began = monais_patches(data, split["training"]), 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < budget:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (1 + np.cos(np.pi * spent / budget)) / 2
        batch = next(patches)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(batch["image"].as_tensor())
        optimizer.zero_grad()
        loss(logits.float(), batch["label"].as_tensor()).backward()
        optimizer.step()
        steps += 1
    network.eval()
    masks = {}
    for case in split["validation"]:
        image = picture(data / "images" / f"{case}.png")
        image = torch.from_numpy((image - image.mean()) / image.std())[None, None]
        with torch.no_grad():
            logits = sliding_window_inference(image, PATCH, 4, network, overlap=0.5, mode="gaussian")
        masks[case] = logits[0].argmax(0).numpy() == 1
    return {"masks": masks, "steps": steps}


def threshold(data: Path, cases: list[str]) -> float:
    """Return the grey value above which the training sections are cells with the best mean Dice."""
    images = [picture(data / "images" / f"{case}.png") for case in cases]
    cells = [picture(data / "labels" / f"{case}.png") == CELL for case in cases]
    return max(range(256), key=lambda value: sum(dice(i > value, c) for i, c in zip(images, cells, strict=True)))


def row(name: str, masks: dict[str, Mask], data: Path, steps: object) -> str:
    """Return a row of the table."""
    references = {case: picture(data / "labels" / f"{case}.png") == CELL for case in masks}
    scores = [np.mean([score(masks[c], references[c]) for c in sorted(masks)]) for score in (dice, boundary_f1)]
    return f"| {name} | {steps} | {scores[0]:.3f} | {scores[1]:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--budget", type=float, default=600, help="seconds of each training")
    parser.add_argument("--fold", type=int, default=0)
    options = parser.parse_args()
    data, work = options.data.resolve(), options.work.resolve()
    ours = of_segkit(data, work, options.budget, options.fold)
    held_out = ours["split"]["validation"]
    limit = threshold(data, ours["split"]["training"])
    bright = {case: picture(data / "images" / f"{case}.png") > limit for case in held_out}
    rows = [row("segkit", ours["masks"], data, ours["steps"])]
    theirs = of_monai(data, ours["split"], options.budget)
    rows += [row("MONAI's UNet", theirs["masks"], data, theirs["steps"]), row(f"grey above {limit}", bright, data, "")]
    print(f"{len(held_out)} sections, {options.budget:g} s, {len(os.sched_getaffinity(0))} cores")
    print("| | steps | Dice of the cells | F1 of their boundaries, 2 pixels |\n|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
