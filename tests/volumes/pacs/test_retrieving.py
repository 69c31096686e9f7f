"""What is asked of a PACS, and what is left of an earlier call, without a server."""

import pytest

from segkit.config.addresses import Address
from segkit.config.options import SeriesOptions
from segkit.foundation.errors import DataError
from segkit.volumes.dicom.instances import hashed
from segkit.volumes.pacs.connection import Pacs
from segkit.volumes.pacs.retrieving import DESCRIPTION, MODALITY, SERIES, Wanted, checked, fits, remove_others

PACS = Pacs(Address("http://127.0.0.1:1/dicom-web", "1.2.3"), None, 1)


@pytest.mark.parametrize("uid", ["", "..", ".", "1..2", "1.2.", "1.2/3", "1" * 65, "1.2.x"])
def test_what_could_lead_a_request_elsewhere_is_no_uid(uid):
    with pytest.raises(DataError, match="answers with a UID that is none"):
        checked(uid, PACS)
    assert checked("1.2.840.99", PACS) == "1.2.840.99"


@pytest.mark.parametrize(
    ("filters", "is_met"),
    [
        ({}, True),
        ({"modality": "ct"}, True),
        ({"modality": ["MR", "PT"]}, False),
        ({"description": "*THORAX*"}, True),
        ({"description": ["head", "neck"]}, False),
        ({"uid": "1.2.7"}, True),
        ({"uid": f"{hashed('1.2.7')}_3"}, True),
        ({"uid": "1.2.8"}, False),
        ({"modality": "CT", "uid": "1.2.8"}, False),
        ({"min_slices": 1000}, True),
    ],
)
def test_filters_that_a_query_can_answer(filters, is_met):
    said = {SERIES: "1.2.7", MODALITY: "CT", DESCRIPTION: "a thorax, late"}
    series = {tag: {"Value": [value]} for tag, value in said.items()}
    wanted = {"modality": None, "description": None, "min_slices": None, "uid": None, **filters}
    assert fits(series, SeriesOptions(**wanted)) is is_met


def test_what_is_none_of_the_files_is_removed_whatever_it_is(tmp_path):
    kept = Wanted("1.2", "1.2.3").place(tmp_path)
    for path in (kept, kept.with_name("other.dcm"), kept.parent / "folder" / "x", tmp_path / "gone" / "x"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "stray").touch()
    remove_others({kept}, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]
    assert list(tmp_path.iterdir()) == [kept.parent]
