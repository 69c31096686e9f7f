"""Damage, as files suffer it and as people who wish us ill do it: seeded, in pure Python and NumPy.

What lies inside a gzip stream, a zip or a PNG is damaged too, and wrapped up again with checksums that hold: otherwise
nothing behind the checksum would ever be reached.
"""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence

from numpy.random import Generator

HEAD = 400  # bytes in which the headers of most formats lie
EXTREMES = (0, 1, -1, 2, 127, 128, 255, 256, 32767, -32768, 65535, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63))
FLOATS = (float("nan"), float("inf"), -float("inf"), 0.0, 1e308, -1e308, 1e-308, 5e-324)
DIGITS = frozenset(b"0123456789")
NUMBERS = (b"0", b"-1", b"1e999", b"nan", b"inf", b"99999999999", b"9223372036854775808", b"-0.0", b"1" * 400, b"")
WORDS = (
    *(
        b"/etc/passwd",
        b"../../../etc/passwd",
        b"..\\..\\x",
        b"%d",
        b"\0",
        b"\xff\xfe",
        b"\n",
        b"\r\n\r\n",
        b"{}",
        b"[]",
    ),
    *(b"null", b"true", b'"', b"'", b"*a", b"&a [*a, *a]", b"!!python/object/apply:os.system [id]", b"${oc.env:HOME}"),
    *(b"hostile.Net", b"os.system", b"builtins.getattr", b"monai.utils.run_cmd", b"torch.hub.load", b"[" * 3000),
    *(
        b"{" * 300,
        b"\xf0\x9f\xa6\xb4",
        b" ",
        b":",
        b"=",
        b",",
        b";" * 50,
        b"A" * 5000,
        b"<!DOCTYPE x [<!ENTITY a 'a'>]>",
    ),
)
PNG = b"\x89PNG\r\n\x1a\n"

Change = Callable[[bytearray, Generator], None]


def mutated(seed: bytes, draw: Generator) -> bytes:
    """Return a damaged copy of a file; the same draws give the same bytes.

    Args:
        seed: a whole file.
        draw: where all chance comes from.
    """
    if draw.random() < 0.6:
        if seed[:2] == b"\x1f\x8b":
            return gzip.compress(damaged(gzip.decompress(seed), draw), 1, mtime=0)
        if seed[:4] == b"PK\x03\x04":
            return _zip_with_damage(seed, draw)
        if seed[:8] == PNG:
            return _with_png_checksums(damaged(seed, draw))
    return damaged(seed, draw)


def damaged(seed: bytes, draw: Generator) -> bytes:
    """Return bytes with one to four kinds of damage."""
    content = bytearray(seed)
    for _ in range(1 + int(draw.integers(4)) * int(draw.integers(2))):
        CHANGES[int(draw.integers(len(CHANGES)))](content, draw)
    return bytes(content)


def _place(content: bytearray, draw: Generator, room: int = 1) -> int:
    """Return where to begin: mostly in the head, where sizes and types stand."""
    last = max(0, len(content) - room)
    return int(draw.integers((min(last, HEAD) if draw.random() < 0.7 else last) + 1))


def _span(content: bytearray, draw: Generator) -> slice:
    start = _place(content, draw)
    return slice(start, start + 1 + int(draw.integers(max(1, min(256, len(content) - start)))))


def flip_a_bit(content: bytearray, draw: Generator) -> None:
    if content:
        content[_place(content, draw)] ^= 1 << int(draw.integers(8))


def put_random_bytes(content: bytearray, draw: Generator) -> None:
    where = _span(content, draw)
    content[where] = draw.bytes(len(content[where]))


def put_an_extreme(content: bytearray, draw: Generator) -> None:
    width = int(draw.choice([1, 2, 4, 8]))
    value = int(EXTREMES[int(draw.integers(len(EXTREMES)))]) % (1 << 8 * width)
    start = _place(content, draw, width) // width * width
    content[start : start + width] = value.to_bytes(width, "little" if draw.random() < 0.7 else "big")


def put_a_float(content: bytearray, draw: Generator) -> None:
    value, start = FLOATS[int(draw.integers(len(FLOATS)))], _place(content, draw, 4) // 4 * 4
    packed = struct.pack("<f", value) if abs(value) < 1e38 or value != value else struct.pack("<d", value)
    content[start : start + len(packed)] = packed


def put_a_number(content: bytearray, draw: Generator) -> None:
    """Replace a number in a text."""
    start = next((at for at in range(_place(content, draw), len(content)) if content[at] in DIGITS), len(content))
    end = next((at for at in range(start, len(content)) if content[at] not in DIGITS), len(content))
    content[start:end] = NUMBERS[int(draw.integers(len(NUMBERS)))]


def put_a_word(content: bytearray, draw: Generator) -> None:
    where = _span(content, draw)
    content[where if draw.random() < 0.5 else slice(where.start, where.start)] = WORDS[int(draw.integers(len(WORDS)))]


def replace_a_value(content: bytearray, draw: Generator) -> None:
    """Replace what stands behind a colon, an equals sign or a comma of a text."""
    text = bytes(content)
    marks = [at for at, byte in enumerate(text[:20000]) if byte in b":=,\t"]
    if marks:
        start = marks[int(draw.integers(len(marks)))] + 1
        end = min((at for at in (text.find(mark, start) for mark in (b"\n", b",", b"}")) if at > 0), default=len(text))
        content[start:end] = b" " + WORDS[int(draw.integers(len(WORDS)))]


def drop_a_line(content: bytearray, draw: Generator) -> None:
    lines = bytes(content).split(b"\n")
    del lines[int(draw.integers(len(lines)))]
    content[:] = b"\n".join(lines)


def cut_short(content: bytearray, draw: Generator) -> None:
    del content[_place(content, draw) :]


def drop_a_piece(content: bytearray, draw: Generator) -> None:
    del content[_span(content, draw)]


def double_a_piece(content: bytearray, draw: Generator) -> None:
    where = _span(content, draw)
    content[where.start : where.start] = content[where] * int(draw.choice([1, 1, 2, 100]))


def swap_pieces(content: bytearray, draw: Generator) -> None:
    one, other = sorted((_span(content, draw), _span(content, draw)), key=lambda each: each.start)
    if one.stop <= other.start:
        content[one], content[other] = content[one], content[other]
        first, second = bytes(content[one]), bytes(content[other])
        content[other], content[one] = first, second


def append_rubbish(content: bytearray, draw: Generator) -> None:
    content += draw.bytes(int(draw.choice([1, 7, 512])))


CHANGES: tuple[Change, ...] = (
    *(flip_a_bit, flip_a_bit, put_random_bytes, put_an_extreme, put_an_extreme, put_a_float, put_a_number, put_a_word),
    *(replace_a_value, drop_a_line, cut_short, drop_a_piece, double_a_piece, swap_pieces, append_rubbish),
)


def _zip_with_damage(seed: bytes, draw: Generator) -> bytes:
    """Return a whole zip one of whose members is damaged, or renamed to lead out of the folder."""
    with zipfile.ZipFile(io.BytesIO(seed)) as archive:
        members = [(entry, archive.read(entry)) for entry in archive.infolist()]
    chosen, packed = int(draw.integers(len(members))), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, (entry, content) in enumerate(members):
            named = zipfile.ZipInfo(entry.filename, entry.date_time)
            if number == chosen and draw.random() < 0.1:
                named.filename = "../" + entry.filename
            named.compress_type = zipfile.ZIP_DEFLATED if draw.random() < 0.05 else entry.compress_type
            archive.writestr(named, damaged(content, draw) if number == chosen else content)
    return packed.getvalue()


def _with_png_checksums(picture: bytes) -> bytes:
    content, at = bytearray(picture), len(PNG)
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        if at + 12 + length > len(content):
            break
        checksum = zlib.crc32(content[at + 4 : at + 8 + length])
        content[at + 8 + length : at + 12 + length] = checksum.to_bytes(4, "big")
        at += 12 + length
    return bytes(content)


def file_to_damage(names: Sequence[str], draw: Generator) -> str:
    """Return which of a seed's files is damaged."""
    return names[int(draw.integers(len(names)))]
