"""Folders are looked through in one order everywhere, and what cannot be listed is said."""

import os

from segkit.foundation.folders import names_by_folder


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_names_are_sorted_and_hidden_folders_passed_over(tmp_path):
    root = touch(tmp_path, "b", "a", ".c", "z/2", "z/1", "y/deep/er/x", ".hidden/file")
    (root / "link").symlink_to(root / "z")
    found = [(str(folder.relative_to(root)), names) for folder, names in names_by_folder(root)]
    assert found == [
        (".", [".c", "a", "b"]), ("y", []), ("y/deep", []), ("y/deep/er", ["x"]), ("z", ["1", "2"]),
    ]  # fmt: skip
    assert list(names_by_folder(root, below=False)) == [(root, [".c", "a", "b"])]


def test_a_folder_that_cannot_be_listed_is_said(tmp_path, monkeypatch, capsys):
    root, scandir = touch(tmp_path, "open/a", "closed/b"), os.scandir

    def refusing(place):
        if str(place).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refusing)
    assert [folder.name for folder, _ in names_by_folder(root)] == [root.name, "open"]
    assert f"warning: {root / 'closed'}: permission denied; what lies in it is left out" in capsys.readouterr().err
