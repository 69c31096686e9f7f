"""A byte that changes in a prepared case: a line says so, and that case alone is prepared anew."""

import os

import pytest

from tests.end_to_end.warm import WarmLine
from tests.faults.killing import contents
from tests.preparation.test_store import flip_a_byte

STEPS = ("training.steps=2", "workers=1", "device=cpu")


@pytest.fixture
def segkit(tmp_path):
    """The command line in the test's folder."""
    return WarmLine(tmp_path)


def without_inference(options):
    return [option for option in options if not option.startswith("inference.")]


def test_check_finds_what_left_no_trace_and_the_next_command_mends_it(segkit, ball_options):
    checked = ("check", *[option for option in ball_options if option.startswith("data")], "workers=1")
    prepared = ("prepare", *without_inference(ball_options), *STEPS)
    segkit(*prepared)
    whole, cache = contents(segkit.folder, ["cache"]), segkit.folder / "cache"
    images = {path: path.stat() for path in sorted(cache.glob("??/*/image.npy"))}
    damaged = next(iter(images))
    flip_a_byte(damaged)
    os.utime(damaged, ns=(images[damaged].st_atime_ns, images[damaged].st_mtime_ns))
    assert "damaged" not in segkit(*prepared).stderr  # neither size nor time has changed
    found = segkit(*checked)
    (line,) = [line for line in found.stderr.splitlines() if "damaged" in line]
    assert str(damaged) in line
    assert "is prepared anew" in line
    assert "6 prepared cases" in found.stdout
    assert "damaged: 1" in found.stdout
    assert "preparing cases: 1/1" in segkit(*prepared).stdout
    assert contents(segkit.folder, ["cache"]) == whole
    again = {path: path.stat().st_mtime_ns for path in images}
    assert [path for path in images if again[path] != images[path].st_mtime_ns] == [damaged]
    assert "damaged: 0" in segkit(*checked).stdout


def test_a_training_finds_what_was_written_over(segkit, ball_options):
    segkit("prepare", *without_inference(ball_options), *STEPS)
    damaged = min((segkit.folder / "cache").glob("??/*/reference.npy"))
    flip_a_byte(damaged)
    trained = segkit("train", *ball_options, *STEPS, "output=run")
    (line,) = [line for line in trained.stderr.splitlines() if "damaged" in line]
    assert str(damaged) in line
    assert "preparing cases: 1/1" in trained.stdout
