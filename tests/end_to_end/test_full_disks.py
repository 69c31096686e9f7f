"""A small disk that is full: a line, what was there before stays, and with room again the command ends as elsewhere."""

import shutil

import pytest

from tests.end_to_end.test_damaged_store import without_inference
from tests.end_to_end.warm import WarmLine
from tests.faults.killing import contents

FORMS = "export=[nifti,nrrd,metaimage,tiff]"
STEPS = ("training.steps=2", "training.workers=0", "workers=1", "device=cpu")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory, ball_options, balls):
    """What the commands make on a disk with room."""
    line = WarmLine(tmp_path_factory.mktemp("elsewhere"))
    line("prepare", *without_inference(ball_options), *STEPS, "paths.cache=cache")
    line("train", *ball_options, *STEPS, "output=run")
    line("predict", "run=run", f"input={balls / 'images'}", "output=masks", FORMS, "device=cpu")
    line("package", "run=run", "output=ball.segkit")
    return line.folder


# Of each command: what it makes, how much room there is, and its words.
COMMANDS = {
    "prepare": ("cache", 90_000, ("paths.cache=cache",)),
    "train": ("run/model", 90_000, ("output=run",)),
    "predict": ("masks", 90_000, ("output=masks", FORMS, "device=cpu")),
    "package": ("ball.segkit", 6_000, ("output=ball.segkit",)),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_said_and_with_room_again_the_command_ends_as_elsewhere(
    command, mount_disk, elsewhere, ball_options, balls
):
    disk = mount_disk("3m")
    makes, room, own = COMMANDS[command]
    before = {
        "train": (*ball_options, *STEPS),
        "prepare": (*without_inference(ball_options), *STEPS),
        "package": (f"run={elsewhere / 'run'}",),
    }
    before["predict"] = (f"run={elsewhere / 'run'}", f"input={balls / 'images'}")
    words = (command, *before[command], *own)
    line = WarmLine(disk)
    (disk / "notes.txt").write_text("mine")
    if command == "train":  # its cache is elsewhere: this is about the run
        words = (*words, f"paths.cache={elsewhere / 'cache'}")
    fill(disk, room)
    failed = line(*words, expect=1)
    errors = [each for each in failed.stderr.splitlines() if each.startswith("error: ")]
    assert any(told in errors[0] for told in ("no space left", "has room for", "free")), errors
    assert "Traceback" not in failed.stderr
    assert not [path for path in disk.rglob("*") if ".tmp" in path.name]
    assert (disk / "notes.txt").read_text() == "mine"
    (disk / "filler").unlink()
    line(*words)
    assert contents(disk, [makes]) == contents(elsewhere, [makes])


def fill(disk, room):
    """Leave so many bytes."""
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(bytes(free - room))
