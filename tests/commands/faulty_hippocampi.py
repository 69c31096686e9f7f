"""Sound hippocampi, each perhaps with one fault of a random kind and size."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage


@dataclass
class Pair:
    """An image and its reference on disk, as they are read."""

    image_path: Path
    reference_path: Path

    def __post_init__(self):
        image, reference = nib.load(self.image_path), nib.load(self.reference_path)
        self.image, self.affine = np.asarray(image.dataobj), image.affine
        self.reference, self.own = np.asarray(reference.dataobj), reference.affine

    def save_image(self, array, affine=None):
        nib.save(nib.Nifti1Image(array, self.affine if affine is None else affine), self.image_path)

    def save_reference(self, array, affine=None):
        nib.save(nib.Nifti1Image(array, self.own if affine is None else affine), self.reference_path)

    def anywhere(self, draw):
        return tuple(draw.integers(0, size) for size in self.image.shape)


def cropped(pair, draw):
    pair.save_reference(np.delete(pair.reference, range(draw.integers(1, 6)), axis=draw.integers(3)))


def turned_axes(pair, _):
    orders = [(1, 0, 2), (0, 2, 1), (2, 1, 0)]
    others = [pair.reference.transpose(order) for order in orders]
    pair.save_reference(next(other for other in others if other.shape != pair.reference.shape).copy())


def shifted(pair, draw):
    moved = pair.own.copy()
    moved[draw.integers(3), 3] += draw.choice([-1, 1]) * 10 ** draw.uniform(-1.5, 1.3)
    pair.save_reference(pair.reference, moved)


def mirrored_affine(pair, draw):
    flip, axis = np.eye(4), draw.integers(3)
    flip[axis, axis], flip[axis, 3] = -1, draw.choice([0, pair.reference.shape[axis] - 1])
    pair.save_reference(pair.reference, pair.own @ flip)


def rotated(pair, draw):
    angle, turn = np.deg2rad(draw.uniform(1, 10)), np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    pair.save_reference(pair.reference, turn @ pair.own)


def stretched(pair, draw):
    scaled = pair.own.copy()
    scaled[:3, draw.integers(3)] *= draw.choice([0.5, 0.9, 1.02, 1.2, 3])
    pair.save_reference(pair.reference, scaled)


def stray_value(pair, draw):
    changed = pair.reference.astype(np.int16)
    changed[pair.anywhere(draw)] = draw.choice([3, 7, 255, -1, 1000])
    pair.save_reference(changed)


def smoothed(pair, draw):
    pair.save_reference(ndimage.gaussian_filter(pair.reference.astype(np.float32), draw.uniform(0.5, 1)))


def halved(pair, _):
    pair.save_reference((pair.reference / 2).astype(np.float32))


def emptied(pair, _):
    pair.save_reference(np.zeros_like(pair.reference))


def infinite(pair, draw):
    changed = pair.image.astype(np.float32)
    changed[draw.random(changed.shape) < draw.choice([0, 0.01, 0.5])] = draw.choice([np.nan, np.inf])
    changed[pair.anywhere(draw)] = draw.choice([np.nan, np.inf, -np.inf])
    pair.save_image(changed)


def infinite_reference(pair, draw):
    changed = pair.reference.astype(np.float32)
    changed[pair.anywhere(draw)] = draw.choice([np.nan, np.inf])
    pair.save_reference(changed)


def flattened(pair, draw):
    pair.save_image(np.full(pair.image.shape, draw.choice([0, 42, -1]), draw.choice([np.int16, np.float32])))


def thick(pair, draw):
    factors = np.diag([*draw.choice([[1, 1, 5], [1, 1, 2], [3, 3, 3], [0.4, 0.4, 1], [1, 4, 1]]), 1.0])
    pair.save_image(pair.image, pair.affine @ factors)
    pair.save_reference(pair.reference, pair.own @ factors)


def stacked(pair, draw):
    pair.save_image(np.stack([pair.image] * draw.integers(2, 5), axis=-1))


def cut(pair, draw):
    path = draw.choice([pair.image_path, pair.reference_path])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * draw.uniform(0, 0.98))])


def cut_at_its_end(pair, draw):
    pair.image_path.write_bytes(pair.image_path.read_bytes()[: -draw.integers(1, 30)])


def damaged(pair, draw):
    whole = bytearray(pair.image_path.read_bytes())
    start = int(len(whole) * draw.uniform(0.3, 0.9))
    whole[start : start + 20] = bytes(byte ^ 0x5A for byte in whole[start : start + 20])
    pair.image_path.write_bytes(whole)


def text(pair, draw):
    draw.choice([pair.image_path, pair.reference_path]).write_text("no volume\n" * draw.integers(1, 200))


def without_reference(pair, _):
    pair.reference_path.unlink()


def without_image(pair, _):
    pair.image_path.unlink()


def nudged(pair, draw):
    moved = pair.own.copy()
    moved[draw.integers(3), 3] += 10 ** draw.uniform(-7, -5)
    pair.save_reference(pair.reference, moved)


def retyped(pair, draw):
    pair.save_reference(pair.reference.astype(draw.choice([np.float64, np.float32, np.int32])))


def copied(pair, _):
    for path in (pair.image_path, pair.reference_path):
        shutil.copy(path, path.with_name(f"z_{path.name}"))


def copied_in_another_type(pair, draw):
    copied(pair, draw)
    twin = Pair(*(path.with_name(f"z_{path.name}") for path in (pair.image_path, pair.reference_path)))
    twin.save_image(pair.image.astype(draw.choice([np.float32, np.float64])))


ERROR, WARNING, NONE = "error", "warning", "none"
FAULTS: list[tuple[Callable, str, str]] = [
    (cropped, ERROR, "shape-mismatch"),
    (turned_axes, ERROR, "shape-mismatch"),
    (shifted, ERROR, "affine-mismatch"),
    (mirrored_affine, ERROR, "affine-mismatch"),
    (rotated, ERROR, "affine-mismatch"),
    (stretched, ERROR, "spacing-mismatch"),
    (stray_value, ERROR, "unexpected-label-value"),
    (smoothed, ERROR, "non-integer-label"),
    (halved, ERROR, "non-integer-label"),
    (emptied, WARNING, "empty-reference"),
    (infinite, ERROR, "non-finite"),
    (infinite_reference, ERROR, "non-finite"),
    (flattened, ERROR, "constant-image"),
    (thick, WARNING, "spacing-outlier"),
    (stacked, ERROR, "channel-count"),
    (cut, ERROR, "unreadable"),
    (cut_at_its_end, ERROR, "unreadable"),
    (damaged, ERROR, "unreadable"),
    (text, ERROR, "unreadable"),
    (without_reference, ERROR, "missing-reference"),
    (without_image, ERROR, "missing-image"),
    (nudged, NONE, NONE),
    (retyped, NONE, NONE),
    (copied, WARNING, "duplicate-image"),
    (copied_in_another_type, WARNING, "duplicate-image"),
]


def faulty_set(source: Path, folder: Path, seed: int, untouched: int = 8) -> dict[str, tuple[str, str]]:
    """Write a data set with one case per fault and some sound ones; return what each case must show."""
    draw = np.random.default_rng(seed)
    names = sorted(path.name for path in (source / "images").iterdir())
    chosen = draw.choice(names, len(FAULTS) + untouched, replace=False)
    expected = {name.removesuffix(".nii.gz"): (NONE, NONE) for name in chosen}
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
        for name in chosen:
            shutil.copy(source / kind / name, folder / kind / name)
    for name, (fault, severity, code) in zip(chosen, FAULTS, strict=False):
        fault(Pair(folder / "images" / name, folder / "labels" / name), draw)
        is_copy = fault in (copied, copied_in_another_type)  # the original of a copy is sound
        expected[("z_" if is_copy else "") + name.removesuffix(".nii.gz")] = (severity, code)
    (folder / "images" / "notes.txt").write_text("litter")
    (folder / ".DS_Store").write_bytes(b"litter")
    return expected
