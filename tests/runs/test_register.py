import json
from itertools import pairwise

import pytest

from segkit.config.shard import Shard
from segkit.runs.manifest import Manifest, read_manifest, write_manifest
from segkit.runs.register import Register

LABELS = {"background": 0, "a": 1}


def entry(name, key="k"):
    return {"mask": f"{name}.nii.gz", "key": key}


def begun(folder, cases=None, weights=("w",), shard=None, saving=None):
    return Register(folder, Manifest(LABELS, list(weights), cases or {}, {}, saving or {}), shard)


def test_what_is_added_is_there_at_once_and_one_file_at_the_end(tmp_path):
    register = begun(tmp_path, {"old": entry("old")})
    register.add("b", entry("b"))
    register.fail("c", "no scan")
    for _ in range(2):
        found = read_manifest(tmp_path)
        assert sorted(found.cases) == ["b", "old"]
        assert found.failed == {"c": "no scan"}
        assert found.labels == LABELS
        register.close()
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.json"]


def test_a_line_a_case_and_none_for_what_is_listed(tmp_path):
    register = begun(tmp_path, {"a": entry("a")})
    register.add("a", entry("a"))
    assert len(register.journal.read_text().splitlines()) == 1
    sizes = []
    for index in range(50):
        register.add(f"case_{index:02}", entry(f"case_{index:02}"))
        sizes.append(register.journal.stat().st_size)
    assert len({after - before for before, after in pairwise(sizes)}) == 1


def test_a_torn_line_counts_for_nothing_and_is_gone_when_work_goes_on(tmp_path):
    register = begun(tmp_path)
    register.add("a", entry("a"))
    whole = register.journal.read_bytes()
    register.add("b", entry("b"))
    torn = register.journal.read_bytes()
    for length in range(len(whole), len(torn) - 1):
        register.journal.write_bytes(torn[:length])
        assert list(read_manifest(tmp_path).cases) == ["a"]
    before = read_manifest(tmp_path)
    again = begun(tmp_path, before.cases)
    again.add("c", entry("c"))
    assert list(read_manifest(tmp_path).cases) == ["a", "c"]
    again.close()
    assert list(read_manifest(tmp_path).cases) == ["a", "c"]


def test_a_case_that_fails_now_is_no_longer_listed(tmp_path):
    register = begun(tmp_path, {"a": entry("a")})
    register.fail("a", "gone")
    assert (read_manifest(tmp_path).cases, read_manifest(tmp_path).failed) == ({}, {"a": "gone"})
    register.add("a", entry("a", "new"))
    assert (read_manifest(tmp_path).cases["a"]["key"], read_manifest(tmp_path).failed) == ("new", {})


def test_what_was_about_to_be_moved_outlives_the_next_start(tmp_path):
    begun(tmp_path).about_to_move("a", entry("a"), {"a.nii.gz": "hash"})
    found = read_manifest(tmp_path)
    assert found.cases == {}
    assert found.saving == {"a": {**entry("a"), "saved": {"a.nii.gz": "hash"}}}
    begun(tmp_path, saving=found.saving)
    assert read_manifest(tmp_path).saving == found.saving


def test_a_journal_of_another_model_begins_anew(tmp_path):
    write_manifest(tmp_path, Manifest(LABELS, ["old"], {"a": entry("a")}))
    journal = tmp_path / "predictions.jsonl"
    journal.write_text(json.dumps({"labels": LABELS, "weights": ["new"]}) + "\n")
    assert read_manifest(tmp_path).weights == ["new"]
    assert read_manifest(tmp_path).cases == {}


def test_jobs_of_an_array_add_side_by_side(tmp_path):
    one, two = (begun(tmp_path, shard=Shard(index, 2)) for index in (1, 2))
    one.add("a", entry("a"))
    two.add("b", entry("b"))
    one.close()
    assert sorted(read_manifest(tmp_path).cases) == ["a", "b"]
    two.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions_1_of_2.json", "predictions_2_of_2.json"]


@pytest.mark.parametrize("line", ["3", "[]", '{"case": 3}', '{"case": "a", "entry": 3}', '{"case": "a", "saving": []}'])
def test_lines_that_say_nothing_are_passed_over(tmp_path, line):
    register = begun(tmp_path)
    with register.journal.open("a") as file:
        file.write(line + "\n")
    register.add("b", entry("b"))
    assert list(read_manifest(tmp_path).cases) == ["b"]


@pytest.mark.parametrize("weights", [3, {"a": 1}, "hash", None])
def test_weights_of_a_wrong_shape_are_none(tmp_path, weights):
    (tmp_path / "predictions.json").write_text(json.dumps({"labels": LABELS, "weights": weights}))
    assert read_manifest(tmp_path).weights == []
    assert read_manifest(tmp_path).labels == LABELS
