import threading
from dataclasses import replace

import pyarrow.parquet
import pytest
from fake_model import Fake
from streams import EXACT

from segkit.config.rules import Rule
from segkit.config.shard import Shard
from segkit.foundation.errors import DataError, SegkitError, StoppedError
from segkit.foundation.locks import lock
from segkit.inference.cohort import predict_cohort
from segkit.inference.cohort_table import write_cases
from segkit.inference.exporters import exporters_named, fitting
from segkit.inference.model import Ready
from segkit.inference.streaming import Work
from segkit.runs.manifest import Manifest, lock_of, read_manifest, write_manifest
from segkit.runs.register import Register


def test_finished_masks_are_kept_until_scan_model_or_settings_change(tmp_path, scans):
    output = tmp_path / "masks"
    assert predict_cohort(Fake(), scans, output, "auto").reused == 0
    again = Fake()
    assert predict_cohort(again, scans, output, "auto").reused == 3
    assert again.calls == []
    scans["b"]["CT"].write_text("changed")
    changed = Fake()
    assert predict_cohort(changed, scans, output, "auto").reused == 2
    assert changed.calls == ["b.bin"]
    assert predict_cohort(Fake("other weights"), scans, output, "auto").reused == 0
    (output / "c.nii.gz").unlink()
    assert predict_cohort(Fake("other weights"), scans, output, "auto").reused == 2


def test_memory_is_told_before_and_again_only_where_it_is_much_more(tmp_path, scans, capsys):
    model, sizes = Fake(), iter((1000, 5_000_000_000, 5_100_000_000))
    model.ready_of = lambda scan: Ready(scan, (), Work(axis=0, pieces=1, windows=2, bytes=next(sizes)))
    predict_cohort(model, scans, tmp_path / "masks", "auto")
    first, second = [line for line in capsys.readouterr().out.splitlines() if line.startswith("memory: ")]
    assert ", for a: 0.0 MB for logits and networks (2 windows at once)" in first
    assert ", for b: 5.0 GB for logits and networks (2 windows at once)" in second
    predict_cohort(model, scans, tmp_path / "masks", "auto")  # nothing is computed
    assert "memory" not in capsys.readouterr().out


def test_a_scan_that_needs_more_memory_than_is_free_is_warned_of_before(tmp_path, scans, capsys, monkeypatch):
    monkeypatch.setattr("segkit.inference.assembly_line.available_memory", lambda: 10_000_000)
    predict_cohort(Fake(), scans, tmp_path / "masks", "auto")
    warnings = capsys.readouterr().err
    assert warnings.count("warning: memory: at most") == 1
    assert ", for a: 0.0 MB for logits and networks (1 window at once)" in warnings
    assert "60 MB of it are still to be taken, and 10 MB are free: set inference.memory lower" in warnings


def test_masks_are_made_anew_when_rules_change(tmp_path, scans):
    output = tmp_path / "masks"
    predict_cohort(Fake(), scans, output, "auto")
    ruled = {"all": Rule(smallest_mm3=10.0)}
    assert predict_cohort(Fake(rules=ruled), scans, output, "auto").reused == 0
    assert predict_cohort(Fake(rules=ruled), scans, output, "auto").reused == 3
    assert predict_cohort(Fake(rules={"all": Rule(smallest_mm3=11.0)}), scans, output, "auto").reused == 0
    predict_cohort(Fake(), scans, output, "auto")
    assert predict_cohort(Fake(rules={"all": Rule()}), scans, output, "auto").reused == 3  # which does nothing


def test_one_bad_scan_is_named_and_the_others_are_finished(tmp_path, scans):
    broken = {"a.bin": DataError("no scan"), "b.bin": MemoryError("no room")}
    cohort = predict_cohort(Fake(broken=broken), scans, tmp_path / "masks", "nrrd")
    assert cohort.failed == {"a": "no scan", "b": "MemoryError: no room"}
    assert list(cohort.masks) == ["c"]
    assert read_manifest(tmp_path / "masks").failed == cohort.failed


def test_jobs_that_share_a_folder_are_read_as_one(tmp_path, scans):
    output, names = tmp_path / "masks", sorted(scans)
    for index in (1, 2):
        own = {name: scans[name] for name in names[index - 1 :: 2]}
        predict_cohort(Fake(broken={"b.bin": DataError("no scan")}), own, output, "auto", Shard(index, 2))
    found = read_manifest(output)
    assert (sorted(found.cases), found.failed) == (["a", "c"], {"b": "no scan"})
    rows = pyarrow.parquet.read_table(output / "predictions.parquet").to_pylist()
    assert [(row["case"], row["status"], row["reason"]) for row in rows] == [
        ("a", "done", None), ("b", "failed", "no scan"), ("c", "done", None),
    ]  # fmt: skip
    assert rows[0]["volume_ml_all"] == 0.008  # eight voxels of 1 mm3
    again = Fake()
    predict_cohort(again, scans, output, "auto")  # and one command does not redo what they did
    assert again.calls == ["b.bin"]
    assert read_manifest(output).failed == {}


def test_without_parquet_the_table_is_csv(tmp_path, monkeypatch):
    monkeypatch.setattr("segkit.inference.cohort_table.find_spec", lambda name: None)
    manifest = Manifest({"background": 0, "a": 1}, ["w"], {"x": {"mask": "x.nii.gz", "key": "k"}}, {"y": "bad, so"})
    lines = write_cases(tmp_path, manifest).read_text().splitlines()
    assert lines[0] == "case,status,mask,reason,seconds,scan,model"
    assert [line.rsplit(",", 1)[0] for line in lines[1:]] == ["x,done,x.nii.gz,,,", 'y,failed,,"bad, so",,']


def test_memory_and_windows_do_not_make_other_masks(tmp_path, scans):
    predict_cohort(Fake(), scans, tmp_path / "masks", "auto")
    other = Fake()
    other.options = replace(EXACT, memory="3GB", windows=1)
    assert predict_cohort(other, scans, tmp_path / "masks", "auto").reused == 3
    other.options = replace(EXACT, mirror="full")
    assert predict_cohort(other, scans, tmp_path / "masks", "auto").reused == 0


def test_a_manifest_speaks_of_one_model(tmp_path, scans):
    predict_cohort(Fake("a"), scans, tmp_path / "masks", "auto")
    predict_cohort(Fake("b"), {"a": scans["a"]}, tmp_path / "masks", "auto")
    found = read_manifest(tmp_path / "masks")
    assert (found.weights, list(found.cases)) == (["b"], ["a"])


@pytest.mark.parametrize("text", ["", "[]", "null", '{"cases": 3}', '{"cases": {"a": {"mask": 1}}}', "{"])
def test_a_manifest_that_cannot_be_used_counts_as_none(tmp_path, text):
    (tmp_path / "predictions.json").write_text(text)
    assert read_manifest(tmp_path).cases == {}


def test_a_manifest_never_leads_out_of_its_folder(tmp_path):
    (tmp_path / "secret.nii.gz").write_text("")
    (tmp_path / "masks").mkdir()
    write_manifest(tmp_path / "masks", Manifest(cases={"a": {"mask": "../secret.nii.gz", "key": "k"}}))
    assert read_manifest(tmp_path / "masks").mask(tmp_path / "masks", "a") is None


def test_the_format_follows_the_scan(scans):
    scan = Fake().read(scans["a"]).first
    assert [each.suffix for each in fitting(exporters_named("auto"), scan)] == [".nii.gz"]
    assert [each.suffix for each in fitting(exporters_named(["metaimage", "auto", "nifti"]), scan)] == [
        ".mha",
        ".nii.gz",
    ]


class StoppedDead(BaseException):
    """Ends a command as SIGKILL would: nothing that follows is done."""


def killed_before_listing(monkeypatch, scans, output):
    def add(self, name, entry):
        raise StoppedDead

    with monkeypatch.context() as patched:
        patched.setattr(Register, "add", add)
        patched.setattr(Register, "close", lambda self: None)
        with pytest.raises(StoppedDead):
            predict_cohort(Fake(), {"a": scans["a"]}, output, "auto")


def test_a_mask_that_was_saved_and_not_listed_is_taken_over(tmp_path, scans, monkeypatch):
    output = tmp_path / "masks"
    killed_before_listing(monkeypatch, scans, output)
    assert read_manifest(output).cases == {}
    again = Fake()
    assert predict_cohort(again, scans, output, "auto").reused == 1
    assert again.calls == ["b.bin", "c.bin"]
    assert sorted(read_manifest(output).cases) == ["a", "b", "c"]
    assert "saved" not in read_manifest(output).cases["a"]


@pytest.mark.parametrize("case", ["another file", "another scan", "another model"])
def test_what_was_not_saved_so_is_made_anew(tmp_path, scans, monkeypatch, case):
    output, again = tmp_path / "masks", Fake("other" if case == "another model" else "a")
    killed_before_listing(monkeypatch, scans, output)
    if case == "another file":
        (output / "a.nii.gz").write_bytes(b"another")
    elif case == "another scan":
        scans["a"]["CT"].write_text("changed")
    assert predict_cohort(again, scans, output, "auto").reused == 0
    assert again.calls == ["a.bin", "b.bin", "c.bin"]


def test_what_a_stopped_command_still_lists_comes_before_what_the_next_one_does(tmp_path, scans, capsys):
    stopped, output = Fake(), tmp_path / "masks"
    following = threading.Thread(target=predict_cohort, args=(Fake(), scans, output, "auto"))

    def is_stopped_and_ends_late(ready):
        following.start()
        following.join(0.3)
        raise StoppedError("stopped")

    stopped.mask_of = is_stopped_and_ends_late
    with pytest.raises(StoppedError):
        predict_cohort(stopped, scans, output, "auto")
    following.join(10)
    assert sorted(read_manifest(output).cases) == ["a", "b", "c"]
    assert f"waiting for another process that is segmenting into {output}" in capsys.readouterr().out


def test_two_commands_do_not_segment_into_one_folder_at_once(tmp_path, scans, monkeypatch):
    monkeypatch.setattr("segkit.inference.cohort.ENDING_SECONDS", 0)
    output = tmp_path / "masks"
    with (
        lock(lock_of(output), doing="segmenting"),
        pytest.raises(SegkitError, match=f"still segmenting into {output}"),
    ):
        predict_cohort(Fake(), scans, output, "auto")
    with lock(lock_of(output), doing="segmenting"):  # jobs that share a folder have a manifest each
        assert len(predict_cohort(Fake(), scans, output, "auto", Shard(1, 2)).masks) == 3
