"""Memory that runs out in a training step: once more with smaller batches of the same samples, else a line."""

import hashlib
import json
import shutil
import signal

from safetensors.numpy import load_file

from segkit.foundation.strangers import load_checkpoint

STEPS = ("training.steps=6", "training.checkpoint_every=2", "training.workers=0", "device=cpu")
CPU = 'RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: not enough memory: you tried to ...")'
GPU = 'torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")'

# From step AT on, a batch of more than MOST samples does not fit; step DIES kills the process.
SCARCE = """
import os, signal, sys, torch
from segkit.training.module import Segmentation
step = Segmentation.training_step
def training_step(self, batch, batch_idx):
    if len(batch["image"]) > MOST and self.global_step >= AT:
        raise ERROR
    if self.global_step == DIES:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch, batch_idx)
Segmentation.training_step = training_step
from segkit.cli import main
sys.exit(main(sys.argv[1:]))
"""


def scarce(most, at, error, dies=-1):
    return SCARCE.replace("MOST", str(most)).replace("AT", str(at)).replace("ERROR", error).replace("DIES", str(dies))


def weights(run):
    tensors = load_file(run / "model" / "weights.safetensors")
    return hashlib.sha256(b"".join(name.encode() + tensors[name].tobytes() for name in sorted(tensors))).hexdigest()


def test_it_ends_where_smaller_batches_from_the_start_end(segkit, ball_options):
    segkit("train", *ball_options, *STEPS, "plan.batch=2", "training.accumulate=2", "output=small")
    done = segkit("train", *ball_options, *STEPS, "plan.batch=4", "output=run", code=scarce(2, 0, CPU))
    assert weights(segkit.folder / "run") == weights(segkit.folder / "small")
    (line,) = [line for line in done.stderr.splitlines() if "memory ran out" in line]
    assert "batches of 4: once more from the last checkpoint with batches of 2, 2 a step" in line
    assert "plan.batch=2 training.accumulate=2" in line
    assert line.removeprefix("warning: ") in (segkit.folder / "run" / "log.txt").read_text()
    assert json.loads((segkit.folder / "run" / "smaller_batch.json").read_text()) == {"batch": 2, "accumulate": 2}


def test_it_goes_on_from_the_checkpoint_and_a_resume_keeps_to_the_smaller_batches(segkit, ball_options):
    words = ("train", *ball_options, *STEPS, "plan.batch=3", "output=run")
    segkit(*words, code=scarce(1, 3, GPU))
    whole = weights(segkit.folder / "run")
    rows = [row.split(",")[0] for row in (segkit.folder / "run" / "metrics.csv").read_text().splitlines()]
    assert rows == ["step", *"123456"]
    shutil.rmtree(segkit.folder / "run")
    segkit(*words, code=scarce(1, 3, GPU, dies=5), expect=-signal.SIGKILL)
    segkit(*words)  # with memory enough for batches of 3
    assert weights(segkit.folder / "run") == whole


def test_a_second_failure_is_a_line_with_the_numbers(segkit, ball_options):
    words = ("train", *ball_options, *STEPS, "plan.batch=2", "output=run")
    failed = segkit(*words, code=scarce(0, 3, CPU), expect=1)
    (line,) = [line for line in failed.stderr.splitlines() if line.startswith("error: ")]
    assert "a batch of 1 patch of 16 x 16 x 16 voxels needs about " in line
    assert "are free on this machine" in line
    assert "smaller plan.patch or network.features" in line
    assert failed.stderr.count("once more") == 1
    assert '"failed"' in (segkit.folder / "run" / "status.json").read_text()
    assert load_checkpoint(segkit.folder / "run" / "checkpoints" / "last.ckpt")["global_step"] == 2
