import nibabel as nib
import numpy as np
import pytest

from segkit.foundation.errors import DataError
from segkit.volumes.formats import formats
from segkit.volumes.reading import find_volumes, is_volume, read, read_grid, stem


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4)), path)
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.nii.gz", "a"),
        ("a.nii", "a"),
        ("A.B.NII.GZ", "A.B"),
        ("x.mha", "x"),
        ("photo.JPEG", "photo"),
        ("1.2.840.dcm", "1.2.840"),
        ("patient.01", "patient.01"),
        ("folder", "folder"),
        (".nii", ".nii"),
    ],
)
def test_stem_takes_the_longest_suffix_off(tmp_path, name, expected):
    assert stem(tmp_path / name) == expected
    assert stem(name) == expected


@pytest.mark.parametrize("name", ["DOE^JOHN (1) ü=~&", "a b", "x.nii.gz folder"])
def test_any_characters_in_a_path(tmp_path, name):
    path = save(tmp_path / name / f"{name}.NII.GZ")
    assert read(str(path)).array.sum() == 27
    assert find_volumes(tmp_path) == [path]
    assert read(path).source.path == path


@pytest.mark.parametrize("function", [read, read_grid])
def test_paths_that_are_no_volume_say_why(tmp_path, function):
    (tmp_path / "notes.txt").write_text("hello" * 100)
    (tmp_path / "empty.nii.gz").touch()
    (tmp_path / "folder").mkdir()
    for name, message in {
        "gone.nii.gz": "does not exist",
        "notes.txt": r"of no format that segkit reads: DICOM, or a file that ends in .*\.nii\.gz",
        "empty.nii.gz": "is an empty file",
        "folder": "a folder without DICOM slices",
    }.items():
        with pytest.raises(DataError, match=message) as raised:
            function(tmp_path / name)
        assert str(tmp_path / name) in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_file_closed_to_us_says_so(tmp_path, monkeypatch):
    import pathlib

    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    path = save(tmp_path / "a.nii")
    monkeypatch.setattr(pathlib.Path, "open", refuse)
    with pytest.raises(DataError, match=r"a\.nii: cannot be read: permission denied"):
        read(path)


def test_is_volume(tmp_path):
    assert is_volume(save(tmp_path / "a.nii.gz"))
    assert not is_volume(tmp_path / "gone.nii.gz")
    (tmp_path / "b.txt").write_text("x" * 300)
    assert not is_volume(tmp_path / "b.txt")
    assert not is_volume(tmp_path)


def test_find_volumes_counts_pairs_once_and_passes_litter_over(tmp_path):
    wanted = [save(tmp_path / "b" / "x.nii.gz"), save(tmp_path / "a.nii"), save(tmp_path / "deep" / "er" / "y.nii")]
    nib.save(nib.Nifti1Pair(np.ones((3, 3, 3), np.uint8), np.eye(4)), tmp_path / "pair.img")
    save(tmp_path / ".hidden" / "z.nii")
    save(tmp_path / ".a.1234.tmp.nii.gz")
    save(tmp_path / "._a.nii")
    for name in ("a.nii~", "b.nii.gz.part", "dataset.json", "v.raw", "Thumbs.db"):
        (tmp_path / name).write_bytes(bytes(300))
    (tmp_path / "v.mhd").write_text("ObjectType = Image\n")
    found = find_volumes(tmp_path)
    assert found == sorted([*wanted, tmp_path / "pair.hdr", tmp_path / "v.mhd"])


def test_half_a_pair_is_found_so_that_reading_can_say_what_is_missing(tmp_path):
    nib.save(nib.Nifti1Pair(np.ones((3, 3, 3), np.uint8), np.eye(4)), tmp_path / "pair.img")
    (tmp_path / "pair.hdr").unlink()
    assert find_volumes(tmp_path) == [tmp_path / "pair.img"]
    with pytest.raises(DataError, match=r"needs pair\.hdr beside it"):
        read(tmp_path / "pair.img")


def test_find_volumes_needs_a_folder(tmp_path):
    with pytest.raises(DataError, match="is not a folder"):
        find_volumes(tmp_path / "gone")


def test_names_and_suffixes_of_formats_do_not_collide():
    known = formats()
    suffixes = [suffix for one in known for suffix in one.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert len({one.name for one in known}) == len(known)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)
    assert all(set(one.written) <= set(one.suffixes) for one in known)


def test_importing_the_readers_stays_light():
    import subprocess
    import sys

    code = "import sys, segkit.volumes.reading as r; r.stem('a.nii'); print(sorted(set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("torch", "monai", "nibabel", "pydicom", "PIL", "tifffile", "scipy", "nrrd"):
        assert f"'{heavy}'" not in loaded, heavy
