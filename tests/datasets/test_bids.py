import pytest

from segkit.config.compose import configure
from segkit.datasets import Bids, Case
from segkit.datasets.dataset import open_dataset
from segkit.foundation.errors import DataError


@pytest.fixture
def bids(tmp_path):
    """Return a function that makes empty files and the layout of their folder."""

    def make(*names: str, **arguments: object) -> Bids:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"")
        return Bids(str(tmp_path), **arguments)

    return make


def images_of(cases):
    return {case.name: {channel: path.name for channel, path in case.images.items()} for case in cases}


def test_subjects_and_sessions_are_cases(bids, tmp_path):
    layout = bids(
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-01/anat/sub-01_T1w.json",
        "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii",
        "sub-02/ses-1/func/sub-02_ses-1_bold.nii.gz",
        "derivatives/lesions/sub-01/anat/sub-01_label-lesion_mask.nii.gz",
        derivatives=str(tmp_path / "derivatives"),
    )
    (tmp_path / "participants.tsv").write_text("participant_id\tage\tsex\nsub-01\t34\tn/a\n")
    first, second = layout.cases(["T1w"])
    assert first == Case(
        "sub-01",
        {"T1w": tmp_path / "sub-01/anat/sub-01_T1w.nii.gz"},
        tmp_path / "derivatives/lesions/sub-01/anat/sub-01_label-lesion_mask.nii.gz",
        {"patient": "sub-01", "age": "34", "sex": ""},
    )
    assert (second.name, second.reference) == ("sub-02_ses-1", None)
    assert second.columns == {"patient": "sub-02", "session": "ses-1"}


def test_channels_of_a_session_belong_together(bids):
    layout = bids("sub-01/anat/sub-01_acq-mprage_T1w.nii", "sub-01/anat/sub-01_FLAIR.nii", "sub-02/anat/sub-02_T1w.nii")
    assert images_of(layout.cases(["T1w", "FLAIR"])) == {
        "sub-01": {"T1w": "sub-01_acq-mprage_T1w.nii", "FLAIR": "sub-01_FLAIR.nii"},
        "sub-02": {"T1w": "sub-02_T1w.nii", "FLAIR": "sub-02_FLAIR.nii"},
    }


def test_runs_are_cases_named_by_what_differs(bids):
    names = ["sub-01_acq-a_run-1_T1w.nii", "sub-01_acq-a_run-2_T1w.nii", "sub-01_T2w.nii"]
    layout = bids(*(f"sub-01/anat/{name}" for name in names))
    assert images_of(layout.cases(["T1w", "T2w"])) == {
        "sub-01_run-1": {"T1w": names[0], "T2w": names[2]},
        "sub-01_run-2": {"T1w": names[1], "T2w": names[2]},
    }
    assert list(images_of(bids(entities={"run": 2}).cases(["T1w"]))) == ["sub-01"]


def test_a_channel_of_one_run_serves_no_other(bids):
    names = ["sub-01_run-1_T1w.nii", "sub-01_run-2_T1w.nii", "sub-01_run-1_T2w.nii"]
    found = images_of(bids(*(f"sub-01/anat/{name}" for name in names)).cases(["T1w", "T2w"]))
    assert found["sub-01_run-2"]["T2w"] == "sub-01_run-2_T2w.nii"  # which is not there


def test_references_follow_subject_session_run_and_pattern(bids, tmp_path):
    layout = bids(
        *(f"sub-01/ses-{session}/anat/sub-01_ses-{session}_run-{run}_T1w.nii" for session in "12" for run in "12"),
        "derivatives/x/sub-01/ses-1/anat/sub-01_ses-1_run-2_dseg.nii",
        "derivatives/x/sub-01/ses-1/anat/sub-01_ses-1_run-2_mask.nii",
        "derivatives/x/sub-01/ses-1/anat/sub-01_ses-1_run-2_space-MNI_dseg.nii",
        "derivatives/x/sub-01/ses-2/anat/sub-01_ses-2_run-1_mask.nii",
        derivatives=str(tmp_path / "derivatives"),
    )
    assert {case.name: case.reference and case.reference.name for case in layout.cases(["T1w"])} == {
        "sub-01_ses-1_run-1": None,
        "sub-01_ses-1_run-2": "sub-01_ses-1_run-2_dseg.nii",
        "sub-01_ses-2_run-1": "sub-01_ses-2_run-1_mask.nii",
        "sub-01_ses-2_run-2": None,
    }


def test_several_references_are_asked_about(bids, tmp_path):
    layout = bids(
        "sub-01/anat/sub-01_T1w.nii",
        "derivatives/a/sub-01/anat/sub-01_dseg.nii",
        "derivatives/b/sub-01/anat/sub-01_dseg.nii",
        derivatives=str(tmp_path / "derivatives"),
    )
    with pytest.raises(DataError, match=r"a/sub-01.* and .*b/sub-01.* could both be the reference of sub-01_T1w\.nii"):
        layout.cases(["T1w"])
    (case,) = bids(derivatives=str(tmp_path / "derivatives" / "b")).cases(["T1w"])
    assert case.reference == tmp_path / "derivatives/b/sub-01/anat/sub-01_dseg.nii"


def test_what_cannot_be_used_is_named(bids, tmp_path):
    with pytest.raises(DataError, match=r"holds no sub-\*/\[ses-\*/\]anat/\*_acq-x\*_T1w image"):
        bids(entities={"acq": "x"}).cases(["T1w"])
    layout = bids("sub-01/anat/sub-01_T1w.nii", derivatives=str(tmp_path / "derivatives"))
    with pytest.raises(DataError, match=r"there is no folder .*derivatives: pass data\.layout\.derivatives=null"):
        layout.cases(["T1w"])
    layout = bids("sub-01/anat/sub-01_T1w.nii.gz")
    with pytest.raises(DataError, match="are the same image; remove one"):
        layout.cases(["T1w"])


def test_the_yaml_opens_it(bids, tmp_path):
    bids("sub-01/anat/sub-01_T1w.nii", "derivatives/a/sub-01/anat/sub-01_dseg.nii")
    words = ["data=bids", f"data.root={tmp_path}", "data.layout.entities={}", "training.steps=1"]
    dataset = open_dataset(configure("train", words).data)
    assert dataset.cases["sub-01"].reference.name == "sub-01_dseg.nii"
    assert dataset.options.split.group_by == "patient"
