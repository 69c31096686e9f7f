"""Names of trials, whatever was typed."""

from pathlib import Path

import pytest

from segkit.studies.naming import plain_name, told_apart, trial_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("007,optimizer.lr=0.5,network.features=[8,16]", "007,optimizer.lr=0.5,network.features=_8,16"),
        ("../../etc", "etc"),
        ("name=DOE^JOHN (1)", "name=DOE_JOHN_1"),
        ("x" * 300, "x" * 100),
        ("name=ü", "name=ü"),
    ],
)
def test_names_are_safe(text, name):
    assert plain_name(text) == name


def test_a_name_in_any_alphabet_fits_on_a_disk(tmp_path):
    name = trial_name([f"name={'名' * 200}"], ())
    assert len(name.encode()) <= 100
    (tmp_path / f"{name}.nii.gz").touch()


def test_names_are_unique_and_not_those_of_a_studys_own_folders():
    names = []
    for words in (["name=a"], ["name=A"], ["name=a"], []):
        names.append(trial_name(words, names))
    assert names == ["name=a", "name=A-2", "name=a-3", "trial"]
    assert trial_name(["configs"], ()) == "configs-2"


def test_folders_are_told_apart_by_as_much_of_their_path_as_it_takes():
    paths = [Path("/site/old/cv"), Path("/site/new/cv"), Path("/else/new/cv"), Path("/site/flat")]
    assert told_apart(paths) == ["old/cv", "site/new/cv", "else/new/cv", "flat"]
    assert told_apart([Path("/a"), Path("/a")]) == ["a", "a"]
