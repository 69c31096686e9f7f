"""A study in W&B's offline files, read back from their records."""

import json
import struct

import pytest

from segkit.studies.trackers.wandb import WandbTracker
from tests.studies.trackers.study_folders import ended_trial

pytest.importorskip("wandb", reason="wandb is not installed: pip install 'segkit[wandb]'")

BLOCK, HEADER, WHOLE, FIRST = 32768, 7, 1, 2


def records(path):
    """Read a .wandb file: LevelDB's log format around protobuf records, after a header of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, parts, found = path.read_bytes(), HEADER, b"", []
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:  # a block's last bytes hold no record
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + HEADER])
        part = content[place + HEADER : place + HEADER + length]
        place += HEADER + length
        parts = part if kind in (WHOLE, FIRST) else parts + part
        if kind in (WHOLE, 4):
            found.append(Record.FromString(parts))
    return found


def files(study):
    return sorted((study / "wandb").glob("offline-run-*/*.wandb"))


def test_a_trial_is_an_offline_run_of_the_studys_group(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    study = tmp_path / "study"
    study.mkdir()
    tracker = WandbTracker("hippocampus")
    tracker.record(study, ended_trial(study, "a", dice=0.25))
    tracker.record(study, ended_trial(study, "a"))  # goes on: replaced
    assert len(files(study)) == 1
    found = records(files(study)[0])
    run = next(record.run for record in found if record.HasField("run"))
    assert (run.project, run.run_group, run.display_name, run.job_type) == ("hippocampus", "study", "a", "trial")
    settings = {each.key: json.loads(each.value_json) for each in run.config.update}
    assert settings["optimizer.lr"] == 0.001
    rows = [
        {(each.key or each.nested_key[0]): json.loads(each.value_json) for each in record.history.item}
        for record in found if record.HasField("history")
    ]  # fmt: skip
    assert [row["dice"] for row in rows if "dice" in row] == [0.4, 0.625]
    assert [row["loss"] for row in rows if "loss" in row] == [1.25, 1.0, 0.75]
    summary = {}
    for record in found:
        if record.HasField("summary"):
            summary |= {(e.key or e.nested_key[0]): json.loads(e.value_json) for e in record.summary.update}
    assert summary["final/dice"] == 0.625
    artifact = next(record.artifact for record in found if record.HasField("artifact"))
    assert {entry.path for entry in artifact.manifest.contents} >= {"config.yaml", "metrics.csv"}
