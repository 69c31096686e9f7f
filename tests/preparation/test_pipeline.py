import pickle
from functools import partial

import numpy as np
import pytest

from segkit.config.options import PlanOptions
from segkit.foundation.errors import CasesFailedError
from segkit.preparation import pipeline
from segkit.preparation.fingerprint import fingerprint_case
from segkit.preparation.pipeline import plan_dataset, prepare_dataset, stored_fingerprint
from segkit.preparation.store import prepare_case

LABELS = {"background": 0, "first": 1, "second": 2}


@pytest.fixture
def cohort(write_case):
    """Three sound cases, and one whose reference holds a value that no label declares."""
    bad = np.zeros((14, 12, 9), np.uint8)
    bad[3, 3, 3] = 9
    sound = [write_case(name, shape=(14, 12, 9 + index), seed=index) for index, name in enumerate("acd")]
    return sound, write_case("b", reference=bad)


def planned(cases, folder, **options):
    defaults = {"dims": 3, "orientation": "RAS", "spacing": None, "patch": None, "max_voxels": 4096, "batch": 2}
    return plan_dataset(
        cases, PlanOptions(**{**defaults, **options}), channels={"MR": "ct"}, labels=LABELS, levels=3,
        transforms=[], store=folder, workers=1,
    )  # fmt: skip


def test_a_data_set_is_planned_from_its_cases(cohort, tmp_path):
    sound, _ = cohort
    plan = planned(sound, tmp_path / "store")
    assert plan.spacing == pytest.approx((1.0, 1.2, 2.5))
    assert plan.patch == (12, 12, 10)  # of a median of 12 x 11 x 10 voxels without their black border
    read = [fingerprint_case(case, channels=1, orientation="RAS", labels=LABELS) for case in sound]
    values = np.concatenate([found.foreground[0] for found in read])
    assert plan.normalisation["MR"].mean == pytest.approx(values.mean(), rel=1e-5)
    assert plan.normalisation["MR"].low == pytest.approx(np.percentile(values, 0.5), rel=1e-5)


def test_prepared_cases_come_in_the_order_of_the_cases(cohort, plan, tmp_path):
    sound, _ = cohort
    prepared = prepare_dataset(sound[::-1], plan(), labels=LABELS, store=tmp_path / "store", workers=1)
    assert [case.name for case in prepared] == ["d", "c", "a"]
    assert [case.scan_grid.shape[2] for case in prepared] == [11, 10, 9]


def test_a_bad_case_is_named_and_the_others_are_prepared(cohort, plan, tmp_path, capsys):
    sound, bad = cohort
    with pytest.raises(CasesFailedError, match="1 of 4 cases cannot be used: b") as failed:
        prepare_dataset([sound[0], bad, *sound[1:]], plan(), labels=LABELS, store=tmp_path / "store", workers=1)
    assert failed.value.exit_code == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "b: " in said
    assert "holds the values 9" in said
    assert len(list((tmp_path / "store").rglob("case.yaml"))) == 3


def test_a_bad_case_is_named_before_anything_is_planned(cohort, tmp_path, capsys):
    sound, bad = cohort
    sound[1].images["MR"].write_bytes(b"not a scan")
    with pytest.raises(CasesFailedError, match="2 of 4 cases cannot be used: b, c"):
        planned([*sound, bad], tmp_path / "store")
    assert "c.nii" in capsys.readouterr().err.replace("\n", "")


def test_fingerprints_are_read_once(cohort, tmp_path, monkeypatch):
    sound, _ = cohort
    first = planned(sound, tmp_path / "store")
    monkeypatch.setattr(pipeline, "fingerprint_case", lambda *_, **__: pytest.fail("read again"))
    assert planned(sound, tmp_path / "store") == first
    with pytest.raises(pytest.fail.Exception):
        planned(sound, tmp_path / "store", orientation="LPS")


@pytest.mark.parametrize("labelled", [True, False])
def test_a_stored_fingerprint_is_the_one_that_was_read(labelled, write_case, tmp_path):
    case = write_case() if labelled else write_case(reference=np.zeros((14, 12, 9), np.uint8))
    options = {"channels": 1, "orientation": "RAS", "labels": LABELS}
    read = fingerprint_case(case, **options)
    for _ in range(2):
        kept = stored_fingerprint(case, **options, store=tmp_path)
        assert (kept.shape, kept.spacing) == (read.shape, read.spacing)
        assert np.array_equal(kept.foreground, read.foreground)


def test_a_changed_case_is_read_again(write_case, tmp_path):
    options = {"channels": 1, "orientation": "RAS", "labels": LABELS, "store": tmp_path}
    before = stored_fingerprint(write_case(), **options)
    after = stored_fingerprint(write_case(seed=1), **options)
    assert not np.array_equal(before.foreground, after.foreground)


def test_work_can_be_sent_to_other_processes(cohort, plan, tmp_path):
    work = partial(prepare_case, plan=plan(), labels=LABELS, store=tmp_path / "store")
    again = pickle.loads(pickle.dumps(work))
    case = pickle.loads(pickle.dumps(cohort[0][0]))
    assert again(case) == work(cohort[0][0])
