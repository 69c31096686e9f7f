"""A run that is killed and goes on ends bit for bit where the uninterrupted one ends."""

import hashlib
import shutil
import signal

import pytest
from safetensors.numpy import load_file

STEPS = ("training.steps=60", "training.checkpoint_every=7")

# The process dies in the middle of its third checkpoint: the new file is written, its rename is not.
DIE_WHILE_SAVING = """
import os, signal, sys
import segkit.foundation.files as files
rename, count = os.replace, [0]
def replace(source, target, **options):
    count[0] += str(target).endswith("last.ckpt")
    if count[0] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target, **options)
files.os.replace = replace
from segkit.cli import main
sys.exit(main(sys.argv[1:]))
"""


def weights(run):
    tensors = load_file(run / "model" / "weights.safetensors")
    return hashlib.sha256(b"".join(name.encode() + tensors[name].tobytes() for name in sorted(tensors))).hexdigest()


@pytest.fixture(scope="module")
def uninterrupted(uninterrupted_line, ball_options):
    uninterrupted_line("train", *ball_options, *STEPS, "output=run")
    return uninterrupted_line.folder / "run"


@pytest.mark.parametrize(("step", "workers"), [(10, 1), (25, 4), (40, 0)])
def test_killed_and_resumed_with_other_workers(segkit, ball_options, uninterrupted, step, workers):
    process = segkit.start_until_step(step, "run", "train", *ball_options, *STEPS, "output=run")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (segkit.folder / "run" / "model").exists()
    segkit("train", "resume=run", f"training.workers={workers}")
    assert weights(segkit.folder / "run") == weights(uninterrupted)
    rows = (segkit.folder / "run" / "metrics.csv").read_text().splitlines()
    assert [int(row.split(",")[0]) for row in rows[1:]] == list(range(1, 61))
    losses = [row.split(",")[2] for row in rows]
    assert losses == [row.split(",")[2] for row in (uninterrupted / "metrics.csv").read_text().splitlines()]


def test_killed_while_a_checkpoint_is_written(segkit, ball_options, uninterrupted):
    segkit("train", *ball_options, *STEPS, "output=run", code=DIE_WHILE_SAVING, expect=-signal.SIGKILL)
    left = {path.name for path in (segkit.folder / "run" / "checkpoints").iterdir()}
    assert "last.ckpt" in left
    assert len(left) == 2  # the whole one before, and the temporary one
    # The same command again goes on too.
    segkit("train", *ball_options, *STEPS, "output=run", "training.workers=1")
    assert weights(segkit.folder / "run") == weights(uninterrupted)
    assert {path.name for path in (segkit.folder / "run" / "checkpoints").iterdir()} == {"last.ckpt"}


def test_another_seed_gives_other_weights(segkit, ball_options, uninterrupted):
    segkit("train", *ball_options, *STEPS, "output=run", "seed=1")
    assert weights(segkit.folder / "run") != weights(uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_politely_it_saves_and_exits_130(segkit, ball_options, uninterrupted, number):
    process = segkit.start_until_step(15, "run", "train", *ball_options, *STEPS, "output=run")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert '"stopped"' in (segkit.folder / "run" / "status.json").read_text()
    assert (segkit.folder / "run" / "checkpoints" / "last.ckpt").exists()
    segkit("train", "resume=run")
    assert weights(segkit.folder / "run") == weights(uninterrupted)


def test_a_finished_run_is_not_done_again(segkit, ball_options, uninterrupted):
    before = (uninterrupted / "metrics.csv").stat().st_mtime_ns
    done = segkit("train", f"resume={uninterrupted}")
    assert "finished already" in done.stdout
    assert (uninterrupted / "metrics.csv").stat().st_mtime_ns == before
    other = segkit("train", *ball_options, *STEPS, f"output={uninterrupted}", "optimizer.lr=0.1", expect=2)
    assert "optimizer.lr" in other.stderr
    assert len(other.stderr.strip().splitlines()) == 1


def test_killed_after_the_last_step_it_still_exports_the_averaged_weights(segkit, uninterrupted):
    run = segkit.folder / "run"
    shutil.copytree(uninterrupted, run)
    shutil.rmtree(run / "model")
    (run / "status.json").write_text('{"state": "running"}')
    segkit("train", "resume=run")
    assert weights(run) == weights(uninterrupted)


def test_a_run_goes_on_with_the_cases_it_began_with(segkit, ball_options, balls):
    copy = segkit.folder / "copy"
    shutil.copytree(balls, copy)
    options = [option.replace(str(balls), str(copy)) for option in ball_options]
    process = segkit.start_until_step(10, "run", "train", *options, *STEPS, "output=run")
    process.kill()
    process.communicate()
    for folder in ("images", "labels"):
        shutil.copy(copy / folder / "ball_0.nii.gz", copy / folder / "late.nii.gz")
    (copy / "held_out.txt").write_text("ball_1\n")
    split = (segkit.folder / "run" / "split.json").read_text()
    segkit("train", "resume=run")
    assert (segkit.folder / "run" / "split.json").read_text() == split
    (segkit.folder / "run" / "status.json").write_text('{"state": "running"}')
    shutil.copy(copy / "images" / "ball_1.nii.gz", copy / "images" / "ball_2.nii.gz")
    changed = segkit("train", "resume=run", expect=1)
    assert "ball_2.nii.gz" in changed.stderr
    assert "is not the file that the run" in changed.stderr


DIE_IN_THE_LAST_VALIDATION = """
import os, signal, sys
from segkit.training.metrics_file import MetricsFile
note = MetricsFile.on_validation_end
def on_validation_end(self, trainer, module):
    if NOTED:
        note(self, trainer, module)
    if trainer.global_step == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    if not NOTED:
        note(self, trainer, module)
MetricsFile.on_validation_end = on_validation_end
from segkit.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("is_noted", [False, True])
def test_killed_in_its_last_validation_it_makes_up_for_it(segkit, ball_options, is_noted):
    words = ("train", *ball_options, "data.split.folds=2", "training.fold=0", "training.steps=6", "output=run")
    words = (*words, "training.checkpoint_every=3", "training.workers=0")
    code = DIE_IN_THE_LAST_VALIDATION.replace("NOTED", str(is_noted))
    segkit(*words, code=code, expect=-signal.SIGKILL)
    metrics = segkit.folder / "run" / "metrics.csv"
    segkit(*words)
    header, *rows = [row.split(",") for row in metrics.read_text().splitlines()]
    dice = header.index("dice")
    assert [row[0] for row in rows if not row[dice]] == list("123456")
    assert [row[0] for row in rows if row[dice]][-1:] == ["6"]
    assert [row[0] for row in rows if row[dice]].count("6") == 1
