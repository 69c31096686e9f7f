"""Patients with a liver and a lesion that were drawn, for tests."""

import json

import numpy as np

from segkit.volumes.dicom.instances import hashed
from tests.end_to_end.conftest import SMALL
from tests.volumes.dicom.drawn import box, save, series, write_seg, write_structures

SHAPE = (20, 18, 12)
PATIENTS = 8
FEW = ("training.steps=2", "training.workers=0", "augmentation=none", "inference.mirror=none", *SMALL)
TREE = ("data=dicom_tree", "data.labels={background: 0, liver: 1, lesion: 2}", "data.split.held_out_fraction=0.25")


def organ(number):
    """Return where a patient's liver and lesion lie, as columns, rows and slices."""
    shift = number % 3
    return ((3 + shift, 13 + shift), (4, 14), (2, 10)), ((6 + shift, 10 + shift), (7, 11), (4, 8))


def scan(number, name="thorax", **changes):
    """Return a noisy series of one patient, brighter in the liver and in its lesion."""
    liver, lesion = (box(*extent, shape=SHAPE) for extent in organ(number))
    noise = np.random.default_rng(number).normal(0, 20, SHAPE)
    values = np.select([lesion, liver], [200, 100], 0) + noise.round().astype(int)
    return series(name, values, **{"patient": f"P{number}", **changes})


def write_patient(root, number, *, kind="SEG", names=("Liver", "Lesion"), **changes):
    """Write a series and, elsewhere, a reference of it; return the series' name."""
    slices = scan(number, **changes)
    save(root / f"DIR{number:03}" / "00A1", slices)
    liver, lesion = organ(number)
    if kind == "SEG":
        masks = {name: box(*extent, shape=SHAPE) for name, extent in zip(names, (liver, lesion), strict=True)}
        write_seg(root / "REFS" / f"{number:04X}", slices, masks)
    else:
        write_structures(root / "REFS" / f"{number:04X}", slices, dict(zip(names, (liver, lesion), strict=True)))
    return hashed(slices[0].SeriesInstanceUID)


def cases_of(run):
    return json.loads((run / "split.json").read_text())
