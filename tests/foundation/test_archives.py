import stat
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.foundation.archives import LARGEST_PACKED, ArchiveFolder, Member, checked_members, leaves, write_archive
from segkit.foundation.errors import DataError

BOMB = 10 << 30  # bytes that it unpacks to


def known(name: str) -> bool:
    return name in ("a.txt", "b/weights")


def zipped(path: Path, *members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def bomb(path: Path, name: str = "a.txt", size: int = BOMB) -> Path:
    """A deflated member of zeros: after a full flush the packed bytes of a piece can stand there again and again."""
    piece, packer = bytes(1 << 26), zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = start * (size // len(piece)) + packer.flush(zlib.Z_FINISH)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, packed)
        entry = archive.filelist[0]
        entry.compress_type, entry.file_size = zipfile.ZIP_DEFLATED, size
    return path


def flagged(path: Path, name: str, *, mode: int = 0, flag: int = 0, compression: int = 0) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        archive.writestr(entry, b"x")
        archive.filelist[0].flag_bits |= flag
        archive.filelist[0].compress_type = compression
    return path


def test_members_come_back_and_nothing_else_is_there(tmp_path):
    path = zipped(tmp_path / "x.zip", ("a.txt", b"text"), ("b/weights", bytes(9)))
    sizes = checked_members(path, known)
    assert sizes == {"a.txt": 4, "b/weights": 9}
    inner = ArchiveFolder(path, "b/", sizes)
    assert (inner / "weights").read_bytes() == bytes(9)
    assert (inner / "weights").hash() == "3e7077fd2f66d689e0cee6a7cf5b37bf2dca7c979af356d0a31cbc5c85605c7d"
    assert str(inner / "weights") == f"{path}: b/weights"
    assert not (inner / "a.txt").is_file()
    assert ArchiveFolder(path, "", sizes) / "a.txt" == Member(path, "a.txt", 4)
    with pytest.raises(DataError, match=r"x\.zip is no whole zip: .*b/a\.txt"):
        (inner / "a.txt").read_bytes()


REFUSED = {
    "unknown": (lambda path: zipped(path, ("evil.pkl", b"x")), "'evil.pkl' does not belong there"),
    "escaping": (lambda path: zipped(path, ("../../x", b"x")), "points outside"),
    "escaping by backslash": (lambda path: zipped(path, ("..\\x", b"x")), "points outside"),
    "absolute": (lambda path: zipped(path, ("/etc/passwd", b"x")), "points outside"),
    "drive": (lambda path: zipped(path, ("C:x", b"x")), "points outside"),
    "folder": (lambda path: zipped(path, ("a.txt/", b"")), "does not belong"),
    "link": (lambda path: flagged(path, "a.txt", mode=stat.S_IFLNK | 0o777), "is a link"),
    "device": (lambda path: flagged(path, "a.txt", mode=stat.S_IFCHR), "is a link or a folder"),
    "encrypted": (lambda path: flagged(path, "a.txt", flag=1), "is encrypted"),
    "other compression": (lambda path: zipped(path, ("a.txt", b"x"), compression=zipfile.ZIP_LZMA), "compressed in a"),
    "bomb": (bomb, f"would unpack to {BOMB} bytes"),
}


@pytest.mark.parametrize(("make", "says"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_belong_is_refused_before_anything_is_unpacked(tmp_path, monkeypatch, make, says):
    path = make(tmp_path / "x.zip")
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("something was unpacked"))
    with pytest.raises(DataError, match=r"x\.zip") as refused:
        checked_members(path, known)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(tmp_path):
    path = zipped(tmp_path / "x.zip", ("a.txt", b"mild"), ("a.txt", b"evil"))
    with pytest.raises(DataError, match="is there twice"):
        checked_members(path, known)


def test_a_name_cut_at_a_zero_byte_is_refused(tmp_path):
    path = zipped(tmp_path / "x.zip", ("a.txtZevil", b"x"))
    path.write_bytes(path.read_bytes().replace(b"a.txtZ", b"a.txt\0"))
    with pytest.raises(DataError, match="does not belong there"):
        checked_members(path, known)


@pytest.mark.parametrize("kept", [0, 3, 40, -1])
def test_a_cut_zip_is_refused(tmp_path, kept):
    path = zipped(tmp_path / "x.zip", ("a.txt", b"text" * 50))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"x\.zip is no"):
        checked_members(path, known)


def test_many_members_are_refused(tmp_path):
    path = zipped(tmp_path / "x.zip", *((str(number), b"") for number in range(1001)))
    with pytest.raises(DataError, match="holds 1001 members"):
        checked_members(path, lambda name: True)


def test_a_stored_member_larger_than_the_file_is_refused(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", b"text")
        archive.filelist[0].file_size = archive.filelist[0].compress_size = BOMB
    with pytest.raises(DataError, match="claims to hold more bytes than it has"):
        checked_members(path, known)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", b"text")
        archive.filelist[0].file_size = 5
    with pytest.raises(DataError, match="stored, but not as large as it says"):
        checked_members(path, known)


def test_a_small_claim_takes_no_more_than_it_says_out_of_a_bomb(tmp_path):
    path = bomb(tmp_path / "x.zip", size=1 << 30)
    claimed = struct.pack("<I", 1 << 30), struct.pack("<I", 100)
    path.write_bytes(path.read_bytes().replace(*claimed))
    sizes = checked_members(path, known)
    assert sizes == {"a.txt": 100}
    with pytest.raises(DataError, match=r"x\.zip is no whole zip"):  # its checksum is not that of 100 zeros
        (ArchiveFolder(path, "", sizes) / "a.txt").read_bytes()


def test_a_zip_that_changed_after_it_was_checked_is_refused(tmp_path):
    path = zipped(tmp_path / "x.zip", ("a.txt", b"text"))
    member = ArchiveFolder(path, "", checked_members(path, known)) / "a.txt"
    for other in (b"texts", b"tex"):
        zipped(path, ("a.txt", other))
        with pytest.raises(DataError, match="is not as large as its zip says"):
            member.read_bytes()


def test_damaged_bytes_are_refused(tmp_path):
    path = zipped(tmp_path / "x.zip", ("a.txt", b"text"))
    path.write_bytes(path.read_bytes().replace(b"text", b"tent"))
    sizes = checked_members(path, known)
    with pytest.raises(DataError, match=r"x\.zip is no whole zip: Bad CRC-32"):
        (ArchiveFolder(path, "", sizes) / "a.txt").read_bytes()


def test_small_compressed_text_is_read(tmp_path):
    path = zipped(tmp_path / "x.zip", ("a.txt", bytes(LARGEST_PACKED)), compression=zipfile.ZIP_DEFLATED)
    sizes = checked_members(path, known)
    assert len((ArchiveFolder(path, "", sizes) / "a.txt").read_bytes()) == LARGEST_PACKED
    zipped(path, ("a.txt", bytes(LARGEST_PACKED + 1)), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="would unpack to"):
        checked_members(path, known)


def test_the_same_members_give_the_same_bytes(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 9)
    write_archive(tmp_path / "one.zip", {"b/weights": source, "a.txt": "ü"})
    source.touch()
    source.chmod(0o600)
    write_archive(tmp_path / "two.zip", {"a.txt": "ü", "b/weights": source})
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == ["a.txt", "b/weights"]
        assert archive.testzip() is None
        assert archive.read("a.txt").decode() == "ü"
        assert archive.read("b/weights") == source.read_bytes()
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert checked_members(tmp_path / "one.zip", known) == {"a.txt": 2, "b/weights": 2304}


def test_names_with_two_points_are_no_way_out():
    assert not any(map(leaves, ["a..b/c", "..a", "a/b..", "a/./b", "a/12:30"]))


@given(st.lists(st.sampled_from(["..", "a", ".", "b"]), min_size=1, max_size=6))
def test_a_name_that_climbs_out_of_its_folder_leaves_it(parts):
    depth = lowest = 0
    for part in parts:
        depth += {"..": -1, ".": 0}.get(part, 1)
        lowest = min(lowest, depth)
    assert leaves("/".join(parts)) or lowest >= 0
    assert leaves("\\".join(parts)) == leaves("/".join(parts))
