"""The half of training.py for nnU-Net's own Python: its stock trainer on a budget, then its masks.

python training_peer.py DATA WORK OUTPUT --held-out FILE --seconds 600 --threads 2

The trainer, loss, augmentation, network and plan are nnU-Net's own; only the number of iterations is set, from measured
seconds, so that its schedule ends with the budget. glibc's allocator is told to keep freed memory, as segkit does
itself: without it a step takes half as long again. Masks, with mirroring, go to OUTPUT/masks, figures to
OUTPUT/peer.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DATASET = "Dataset004_Hippocampus"
PLAN = "3d_fullres"
TRIED = 3  # iterations that are timed before the clock starts
BLOCK = 5  # iterations an epoch


def settings(work: Path, threads: int) -> dict[str, str]:
    """Return the environment that nnU-Net and the C library read when they are loaded."""
    folders = {f"nnUNet_{name}": str(work / name) for name in ("raw", "preprocessed", "results")}
    kept = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**35), "MALLOC_TOP_PAD_": str(2**26)}
    single = {"nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1", "nnUNet_compile": "f"}
    return {**folders, **kept, **single, "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}


def command(name: str, *arguments: object) -> None:
    """Run one of nnU-Net's commands."""
    tool = Path(sys.executable).with_name(name)
    subprocess.run([str(tool), *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def prepared(data: Path, work: Path, held_out: set[str]) -> Path:
    """Return nnU-Net's folder of the data set with plan and prepared cases."""
    raw, done = work / "raw" / DATASET, work / "preprocessed" / DATASET
    if (done / "done").exists():
        return done
    for labels in sorted((data / "labels").glob("*.nii.gz")):
        case = labels.name.removesuffix(".nii.gz")
        part = "Ts" if case in held_out else "Tr"
        image = data / "images" / labels.name
        for source, target in ((image, f"images{part}/{case}_0000.nii.gz"), (labels, f"labels{part}/{labels.name}")):
            (raw / target).parent.mkdir(parents=True, exist_ok=True)
            (raw / target).unlink(missing_ok=True)
            (raw / target).symlink_to(source.resolve())
    described = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "anterior": 1, "posterior": 2},
        "numTraining": len(list((raw / "labelsTr").iterdir())),
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(described))
    command("nnUNetv2_plan_and_preprocess", "-d", 4, "-c", PLAN, "-npfp", 1, "-np", 1)
    (done / "done").touch()
    return done


class Clocked:
    """Counts the seconds that a call takes."""

    def __init__(self, called: Callable[[], Any]) -> None:
        self.called, self.seconds = called, 0.0

    def __call__(self) -> Any:
        """Call, and add the seconds."""
        began = time.perf_counter()
        result = self.called()
        self.seconds += time.perf_counter() - began
        return result


def train(folder: Path, seconds: float) -> dict[str, Any]:
    """Train the stock trainer for so long and return its figures; the model goes to nnU-Net's results."""
    import torch
    from dynamic_network_architectures.initialization.weight_init import InitWeights_He
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from torch.utils.flop_counter import FlopCounterMode

    plans, described = (json.loads((folder / name).read_text()) for name in ("nnUNetPlans.json", "dataset.json"))
    trainer = nnUNetTrainer({**plans, "continue_training": False}, PLAN, "all", described, device=torch.device("cpu"))
    trainer.on_train_start()
    batch = Clocked(lambda: next(trainer.dataloader_train))
    with FlopCounterMode(display=False) as counter:
        trainer.train_step(batch())
    began = time.perf_counter()
    for _ in range(TRIED):
        trainer.train_step(batch())
    step = (time.perf_counter() - began) / TRIED
    torch.manual_seed(0)
    trainer.network.apply(InitWeights_He(1e-2))
    trainer.num_epochs = max(1, round(seconds / step / BLOCK))
    trainer.num_iterations_per_epoch = BLOCK
    trainer.optimizer, trainer.lr_scheduler = trainer.configure_optimizers()
    batch.seconds, began = 0.0, time.perf_counter()
    for _ in range(trainer.num_epochs):
        trainer.on_epoch_start()
        trainer.on_train_epoch_start()
        trainer.on_train_epoch_end([trainer.train_step(batch()) for _ in range(BLOCK)])
        trainer.current_epoch += 1
    trained = time.perf_counter() - began
    trainer.on_train_end()
    return {
        "steps": trainer.num_epochs * BLOCK,
        "seconds": trained,
        "waiting": batch.seconds,
        "batch": trainer.batch_size,
        "patch": list(trainer.configuration_manager.patch_size),
        "operations": counter.get_total_flops(),
    }


def set_augmenters(count: str) -> None:
    """Tell nnU-Net how many processes augment."""
    os.environ.update({"nnUNet_n_proc_DA": count})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "work", "output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    wanted = settings(args.work.resolve(), args.threads)
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.environ.update(wanted)
        os.execv(sys.executable, [sys.executable, *sys.argv])  # they are read once, when a process starts
    began = time.perf_counter()
    folder = prepared(args.data, args.work, set(args.held_out.read_text().split()))
    figures = {"preparing": time.perf_counter() - began}
    set_augmenters("0")  # the trainer augments in its own process; commands refuse this number
    figures |= train(folder, args.seconds)
    set_augmenters("1")
    began, images = time.perf_counter(), args.work.resolve() / "raw" / DATASET / "imagesTs"
    how = ("-d", 4, "-c", PLAN, "-f", "all", "-device", "cpu", "-npp", 0, "-nps", 0)
    command("nnUNetv2_predict", "-i", images, "-o", args.output / "masks", *how)
    figures["predicting"] = time.perf_counter() - began
    (args.output / "peer.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
