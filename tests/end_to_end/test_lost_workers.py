"""Workers that read patches and are killed, or hang: new ones go on, and the weights are the same."""

import hashlib
import time

import psutil
from safetensors.numpy import load_file

STEPS = ("training.steps=45", "plan.batch=2", "device=cpu", "training.checkpoint_every=20")

# A sample of LOST is met with a signal when it is read: once, or whenever FOREVER.
LOSING = """
import os, signal, sys, pathlib
import segkit.training.readers as readers
from segkit.training.sampling import PatchDataset
readers.LOOK_SECONDS = 0.5
read = PatchDataset.__getitem__
def lose(self, sample):
    mark = pathlib.Path("lost_%d_%d" % sample)
    if sample in LOST and (FOREVER or not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), LOST[sample])
    return read(self, sample)
PatchDataset.__getitem__ = lose
from segkit.cli import main
sys.exit(main(sys.argv[1:]))
"""


def losing(lost, *, forever=False):
    signals = "{" + ", ".join(f"{sample}: signal.{name}" for sample, name in lost.items()) + "}"
    return LOSING.replace("LOST[", f"{signals}[").replace("LOST and", f"{signals} and").replace("FOREVER", str(forever))


def weights(run):
    tensors = load_file(run / "model" / "weights.safetensors")
    return hashlib.sha256(b"".join(name.encode() + tensors[name].tobytes() for name in sorted(tensors))).hexdigest()


def test_four_workers_killed_one_by_one_and_one_that_hangs(segkit, ball_options):
    segkit("train", *ball_options, *STEPS, "training.workers=0", "output=calm")
    # Four workers read eight batches ahead: these are further apart.
    lost = {(1, 0): "SIGKILL", (11, 1): "SIGKILL", (21, 0): "SIGSTOP", (31, 1): "SIGKILL", (41, 0): "SIGKILL"}
    words = ("training.workers=4", "training.stalled_after=2s", "output=run")
    done = segkit("train", *ball_options, *STEPS, *words, code=losing(lost))
    assert weights(segkit.folder / "run") == weights(segkit.folder / "calm")
    said = [line for line in done.stderr.splitlines() if "new workers go on from there" in line]
    killed = [line for line in said if "a worker that reads patches was killed while it read ball_" in line]
    hung = [line for line in said if "(training.stalled_after): one hangs while it read ball_" in line]
    assert (len(killed), len(hung), len(said)) == (4, 1, 5)
    assert all(str(segkit.folder / "cache") in line for line in said)


def test_a_case_that_kills_whoever_reads_it_ends_the_training_with_its_name(segkit, ball_options):
    words = ("train", *ball_options, *STEPS, "output=run")
    failed = segkit(*words, "training.workers=2", code=losing({(25, 1): "SIGKILL"}, forever=True), expect=1)
    (line,) = [line for line in failed.stderr.splitlines() if line.startswith("error: ")]
    assert "was killed while it read ball_" in line
    assert "and so it was before" in line
    assert "Traceback" not in failed.stderr
    assert (segkit.folder / "run" / "checkpoints" / "last.ckpt").exists()


def test_preparation_goes_on_when_its_first_four_workers_are_killed(segkit, ball_options):
    options = [option for option in ball_options if not option.startswith("inference.")]
    process = segkit.start("prepare", *options, "training.steps=1", "workers=4", "device=cpu")
    killed = set()
    while len(killed) < 4 and process.poll() is None:
        for child in psutil.Process(process.pid).children():
            if len(killed) < 4 and child.pid not in killed and "spawn_main" in " ".join(command_of(child)):
                child.kill()
                killed.add(child.pid)
        time.sleep(0.01)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert len(killed) == 4
    assert err.count("the worker was killed, probably out of memory; it is tried once more") == 4
    assert "6 prepared cases" in out


def command_of(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []
