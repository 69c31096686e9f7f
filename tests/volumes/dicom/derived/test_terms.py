"""What labels mean: the table against the standard's own codes, names in any spelling, the user's words first."""

import pytest
from pydicom.sr._concepts_dict import concepts

from segkit.foundation.errors import UsageError
from segkit.volumes.dicom.derived.terms import CATEGORIES, TISSUE, names, side_of, table, term_for


def test_every_code_is_one_of_the_standard_with_that_meaning():
    meanings: dict[str, set[str]] = {}
    for found in concepts["SCT"].values():
        for value, (meaning, _) in found.items():
            meanings.setdefault(value, set()).add(meaning.lower())
    # The standard writes this one with a slip of the pen.
    meanings["15425007"].add("peritoneum")
    wrong = {name: term.kind for name, term in table().items() if term.kind[2].lower() not in meanings[term.kind[0]]}
    assert wrong == {}
    assert len(names()) > 150


@pytest.mark.parametrize(
    ("label", "code", "side"),
    [
        ("liver", "10200004", ""),
        ("Left Kidney", "64033007", "left"),
        ("kidney_right", "64033007", "right"),
        ("KIDNEY-L", "64033007", "left"),
        ("lungs", "39607008", ""),
        ("adrenal_gland_left", "23451007", "left"),
        ("heart_atrium_left", "82471001", ""),  # a thing of its own, not a side of one
        ("left_atrium", "82471001", ""),
        ("lung_upper_lobe_left", "45653009", "left"),
        ("rib_left_5", "113197003", "left"),
        ("vertebrae_L1", "66794005", ""),
        ("vertebrae_T12", "23215003", ""),
        ("GTV-1", "108369006", ""),
        ("Tumor", "108369006", ""),
        ("urinary_bladder", "89837001", ""),
    ],
)
def test_names_in_any_spelling(label, code, side):
    term = term_for(label, {})
    assert (term.kind[0], term.side, term.is_known) == (code, side, True)


@pytest.mark.parametrize("label", ["thing", "left", "l", "1", "", "left thing"])
def test_what_is_not_known_is_tissue(label):
    term = term_for(label, {})
    assert (term.category, term.kind, term.is_known) == (TISSUE, TISSUE, False)


def test_a_lesion_is_no_anatomy():
    assert term_for("lesion", {}).category == CATEGORIES["altered"] != term_for("liver", {}).category


def test_the_users_words_come_first():
    own = {
        "Liver": ["SCT", "1", "Mine"],
        "niere_links": {"code": ["SCT", "2", "Niere"], "side": "left", "category": ["SCT", "3", "Teil"]},
        "blob left": "spleen",
    }
    assert term_for("liver", own).kind == ("1", "SCT", "Mine")
    kidney = term_for("Niere Links", own)
    assert (kidney.kind, kidney.category, kidney.side) == (("2", "SCT", "Niere"), ("3", "SCT", "Teil"), "left")
    assert (term_for("blob_left", own).kind[0], term_for("blob_left", own).side) == ("78961009", "left")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("spleeen", "objects.terms.x: there is no term spleeen; did you mean spleen?"),
        (3, "objects.terms.x is a name"),
        (["SCT", "1"], "objects.terms.x.code: a code is"),
        (["SCT", "12345678901234567", "long"], "objects.terms.x.code: a code is"),
        ({"code": ["SCT", "1", "a"], "side": "up"}, "objects.terms.x.side: up is neither"),
        ({"code": ["SCT", "1", "a"], "colour": "red"}, "objects.terms.x is a name"),
    ],
)
def test_a_mistake_names_its_key(entry, words):
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        term_for("x", {"x": entry})


def test_a_side_is_a_word():
    assert [side_of(name) for name in ("left lung", "lung_R", "cleft", "lt-lung", "left right")] == [
        "left", "right", "", "left", "",
    ]  # fmt: skip
