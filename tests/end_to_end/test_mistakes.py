"""A mistake is one clear line and the right exit code, and leaves nothing half-written."""

import os
import shutil
import subprocess

import pytest


def only_line(result):
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("trian", "did you mean train"),
        ("train data=hipocampus", "did you mean hippocampus"),
        ("train data=paired data.root=. training.budgt=5min", "did you mean training.budget"),
        ("train data=paired data.root=. training.budget=soon", "10min"),
        ("train data=paired data.root=. training.steps=5 network.features=[a]", "network.features"),
        ("train data=paired data.root=. training.steps=5 network=unett", "did you mean unet"),
        ("train data=paired data.root=nowhere training.steps=5", "nowhere"),
        ("train data=paired data.root=.", "training.budget"),
        ("train data=paired data.root=. training.steps=5 optimizer.speed=3", "speed"),
        ("train data=paired data.root=. training.steps=5 device=cuda:7", "device=cuda:7"),
        ("predict run=nowhere input=. output=out", "nowhere"),
        ("evaluate predictions=. output=out", "references"),
        ("measure masks=. output=out.xls", "output=FILE.csv"),
        ("convert input=nowhere.nii output=out.nii", "nowhere.nii"),
    ],
)
def test_a_mistake_in_the_call_is_one_line_and_exit_2(segkit, words, says):
    result = segkit(*words.split(), expect=2)
    assert says in only_line(result)
    assert sorted(path.name for path in segkit.folder.iterdir()) == []


def test_an_unreadable_image_is_named_and_costs_no_run(segkit, ball_options, balls):
    copy = segkit.folder / "copy"
    shutil.copytree(balls, copy)
    whole = (copy / "images" / "ball_2.nii.gz").read_bytes()
    (copy / "images" / "ball_2.nii.gz").write_bytes(whole[: len(whole) // 2])
    options = [option.replace(str(balls), str(copy)) for option in ball_options]
    result = segkit("train", *options, "training.steps=5", "output=run", expect=1)
    assert "ball_2.nii.gz" in result.stderr
    assert "1 of 8 cases cannot be used: ball_2" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (segkit.folder / "run" / "model").exists()


def test_references_with_undeclared_values_are_named(segkit, ball_options):
    options = [option for option in ball_options if not option.startswith("data.labels")]
    result = segkit("train", *options, "data.labels={background: 0, bright: 1}", "training.steps=5", expect=1)
    assert "holds the values 2, which data.labels does not declare" in result.stderr


@pytest.fixture
def small_disk(mount_disk):
    """A file system of 1 MB."""
    return mount_disk("1m")


def test_a_full_disk_is_said_and_the_checkpoint_before_it_stays_whole(segkit, ball_options, small_disk):
    (small_disk / "filler").write_bytes(bytes(900_000))
    result = segkit(
        "train", *ball_options, "training.steps=30", "training.checkpoint_every=5", f"output={small_disk / 'run'}",
        expect=1,
    )  # fmt: skip
    assert "No space left" in only_line(result) or "full" in only_line(result)
    (small_disk / "filler").unlink()
    litter = [path for path in (small_disk / "run").rglob("*") if ".tmp" in path.name]
    assert not litter
    segkit("train", f"resume={small_disk / 'run'}")
    assert (small_disk / "run" / "model" / "weights.safetensors").exists()


def test_a_read_only_output_is_said_before_anything_is_read(segkit, ball_options, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    result = segkit("train", *ball_options, "training.steps=5", f"output={small_disk / 'run'}", expect=1)
    assert "read-only" in only_line(result).lower()
    assert os.listdir(small_disk) == []  # noqa: PTH208


def test_an_output_that_is_a_file_is_said(segkit, ball_options):
    (segkit.folder / "run").write_text("in the way")
    result = segkit("train", *ball_options, "training.steps=5", "output=run", expect=1)
    assert "run" in only_line(result)


def test_help_and_mistakes_import_no_torch(segkit):
    code = "import sys; from segkit.cli import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    assert segkit("--help", code=code).stdout.endswith("False\n")
    assert segkit("train", "data=hipocampus", code=code).stdout.endswith("False\n")
    assert segkit("evaluate", "predictions=.", "references=.", "output=out", code=code).stdout.endswith("False\n")


def test_nothing_a_strangers_model_names_is_imported_or_run(segkit, uninterrupted_line, ball_options, balls, tmp_path):
    uninterrupted_line("train", *ball_options, "training.steps=2", "output=hostile")
    run = uninterrupted_line.folder / "hostile"
    model = run / "model" / "model.yaml"
    text = model.read_text()
    scan = balls / "images" / "ball_6.nii.gz"
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    for target in ("os.system", "evil.Network", "monai.utils.run_cmd", "builtins.getattr", "torch.hub.load"):
        model.write_text(text.replace("segkit.networks.UNet", target))
        result = segkit("predict", f"run={run}", f"input={scan}", "output=masks", expect=(1, 2))
        assert target in result.stderr
        assert not (tmp_path / "ran").exists()
        assert not (segkit.folder / "masks").exists()


def test_a_run_that_trusts_itself_is_not_trusted(segkit, uninterrupted_line, ball_options, tmp_path):
    uninterrupted_line("train", *ball_options, "training.steps=2", "output=hostile2")
    run = uninterrupted_line.folder / "hostile2"
    (run / "status.json").write_text('{"state": "running"}')
    (segkit.folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    config, plan = (run / "config.yaml").read_text(), (run / "plan.yaml").read_text()
    (run / "config.yaml").write_text(
        config.replace("trust: []", "trust: [evil]").replace("segkit.networks.UNet", "evil.Network")
    )
    assert "evil" in segkit("train", f"resume={run}", expect=(1, 2)).stderr
    (run / "config.yaml").write_text(config)
    (run / "plan.yaml").write_text(plan.replace("transforms: []", "transforms: [{_target_: evil.Transform}]"))
    assert "other transforms" in segkit("train", f"resume={run}", expect=1).stderr
    assert not (tmp_path / "ran").exists()


def test_masks_never_replace_scans(segkit, uninterrupted_line, ball_options, balls):
    uninterrupted_line("train", *ball_options, "training.steps=2", "output=quick")
    scans = segkit.folder / "scans"
    shutil.copytree(balls / "images", scans)
    before = {path.name: path.read_bytes() for path in scans.iterdir()}
    refused = segkit("predict", f"run={uninterrupted_line.folder / 'quick'}", "input=scans", "output=scans", expect=2)
    assert "folder of the scans" in only_line(refused)
    assert {path.name: path.read_bytes() for path in scans.iterdir()} == before


def test_a_corrected_command_may_use_the_same_output(segkit, ball_options):
    wrong = [option for option in ball_options if not option.startswith("data.labels")]
    steps = ("training.steps=2", "output=run")
    segkit("train", *wrong, "data.labels={background: 0, bright: 1}", *steps, expect=1)
    segkit("train", *ball_options, *steps)
    assert (segkit.folder / "run" / "model" / "model.yaml").is_file()


def test_a_loss_that_is_no_number_ends_the_run_in_a_line(segkit, ball_options):
    result = segkit("train", *ball_options, "training.steps=50", "optimizer.lr=1e30", "output=run", expect=1)
    assert "the loss is" in only_line(result)
