"""An upper abdomen, painted from the skin inwards: places in mm of the standard body, axes left, back, head (LPS)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from segkit.datasets.phantom.scanner import Tissue
from segkit.datasets.phantom.shapes import Field, Points, Vector, bent, common, ellipsoid, layer, tube, union, without
from segkit.foundation.errors import DataError

LABELS = {"background": 0, "liver": 1, "spleen": 2, "kidney": 3, "lesion": 4}
FAT = -95.0


@dataclass(frozen=True, eq=False)
class _Body:
    """What every part of the anatomy is placed in.

    Attributes:
        points: positions in the deformed standard body, mm, shape (3, X, Y, Z).
        rng: where poses and sizes are drawn from.
        cavity: field of the abdominal cavity.
        dome: field of what lies below the diaphragm.
        muscle: HU of muscle, which hardly takes up contrast agent.
        enhancement: HU by which the contrast agent shifts every perfused organ of this case.
    """

    points: Points
    rng: np.random.Generator
    cavity: Field
    dome: Field
    muscle: float
    enhancement: float

    def blob(self, centre: Vector, radii: Vector, tilt: Vector = (0, 0, 0), loose: float = 3.0) -> Field:
        """Return an ellipsoid about here: some `loose` mm off, up to 12% larger or smaller, turned by some degrees."""
        place = np.asarray(centre) + self.rng.normal(scale=loose, size=3)
        size = np.asarray(radii) * self.rng.uniform(0.92, 1.08) * self.rng.uniform(0.96, 1.04, size=3)
        return ellipsoid(self.points, place, size, np.asarray(tilt) + self.rng.normal(scale=5, size=3))

    def perfused(self, mean: float, spread: float) -> float:
        """Draw the HU of an organ: its own mean and spread, and this case's enhancement."""
        return float(mean + self.enhancement + self.rng.uniform(-spread, spread))


def draw_anatomy(points: Points, rng: np.random.Generator, *, smallest_lesion: float) -> list[Tissue]:
    """Draw one patient.

    Liver, spleen and kidneys overlap in intensity with each other and with vessels, bowel and muscle, so place and
    shape tell them apart.

    Args:
        points: positions in the standard body in mm, shape (3, X, Y, Z).
        rng: where everything about the patient is drawn from.
        smallest_lesion: least diameter in mm of a case's first lesion, so that the grid can hold it.

    Returns:
        Tissues in the order in which they are painted, labelled with `LABELS`.

    Raises:
        DataError: when the liver came out too small for a lesion.
    """
    table = common(layer(points[1] - 115 + points[0] ** 2 / 2500, 4), layer(points[0], 150))
    inner = bent(points, rng, amplitude=5.0)
    wall = 1 - rng.uniform(0.0, 0.07)  # leaner and fatter patients
    body = _Body(
        points=inner,
        rng=rng,
        cavity=ellipsoid(inner, (0, 0), (120 * wall, 78 * wall)),
        dome=ellipsoid(inner, (-10, 0, -58), (165, 130, 125 + rng.uniform(-6, 6))),
        muscle=rng.uniform(75, 88),
        enhancement=rng.uniform(-40, 40),
    )
    skin = ellipsoid(bent(points, rng, amplitude=2.0), (0, 0), (146, 104))
    behind = [Tissue(table, -300, 20), *_walls(body, skin, wall), *_skeleton(body, wall), *_bowel(body)]
    behind += _vessels(body)
    liver, portal_vein = _liver(body)
    before = [*_gallbladder(body), *_spleen(body), *_kidneys(body)]
    visible = without(liver.field, *(tissue.field for tissue in before))
    return [*behind, liver, portal_vein, *before, *_lesions(body, visible, liver.hu, smallest_lesion)]


def _walls(body: _Body, skin: Field, wall: float) -> Iterator[Tissue]:
    """Skin, subcutaneous fat, muscle, the fat of the cavity, lungs and heart."""
    yield Tissue(skin, 20)
    yield Tissue(skin + 2, -105, 8)
    yield Tissue(ellipsoid(body.points, (0, 2), (132 * wall, 90 * wall)), body.muscle, 8)
    yield Tissue(body.cavity, FAT, 14)
    mediastinum = ellipsoid(body.points, (4, 10), (28, 62))
    yield Tissue(without(body.cavity, body.dome, mediastinum), -840, 30)
    yield Tissue(without(body.blob((28, -26, 92), (52, 38, 36)), body.dome), body.perfused(120, 15))


def _skeleton(body: _Body, wall: float) -> Iterator[Tissue]:
    """Back muscles, vertebrae with discs and canal, ribs."""
    p = body.points
    for side in (-1, 1):
        yield Tissue(ellipsoid(p, (side * 34, 76), (27, 17)), body.muscle, 8)
        yield Tissue(body.blob((side * 34, 52, -75), (14, 15, 60), (0, side * 8, 0), 1), body.muscle, 8)
        yield Tissue(tube(p, (side * 8, 66, 0), (side * 40, 72, 8), 5), 260, 30)
    column = union(ellipsoid(p, (0, 50), (21, 17)), ellipsoid(p, (0, 80), (9, 17)), blend=8)
    along = np.mod(p[2] + body.rng.uniform(0, 32), 32) - 16
    yield Tissue(column, 420, 40)
    yield Tissue(column + 3, 190, 30)
    yield Tissue(common(ellipsoid(p, (0, 49), (20, 16)), layer(along, 3.5)), 85)
    yield Tissue(ellipsoid(p, (0, 72), (8, 7)), 25)
    shell = layer(ellipsoid(p, (0, 2), (126 * wall, 84 * wall)), 3.5)
    slope = np.mod(p[2] - 0.55 * p[1] + body.rng.uniform(0, 30), 30) - 15
    below = -55 - p[2] - 0.7 * p[1]  # the costal margin rises towards the front
    yield Tissue(common(shell, layer(slope, 4.5), below), 330, 40)


def _bowel(body: _Body) -> Iterator[Tissue]:
    """Stomach and loops with fluid, contrast and gas; most of what a threshold takes for an organ."""
    stomach = common(body.blob((48, -28, 28), (36, 32, 36), (0, 0, 20)), body.cavity + 4, body.dome + 4)
    yield Tissue(stomach, 70)
    yield Tissue(stomach + 4, body.rng.uniform(15, 75), 8)  # water in some, positive contrast in others
    yield Tissue(common(stomach + 4, body.points[1] + 38), -900)  # gas rises to the front
    for _ in range(14):
        place = body.rng.uniform((-80, -60, -95), (85, 8, -22))
        loop = common(body.blob(place, body.rng.uniform(9, 20, size=3)), body.cavity + 3)
        yield Tissue(loop, body.rng.uniform(50, 90))
        filling = body.rng.choice([20.0, 60.0, 95.0, 130.0, -700.0], p=[0.15, 0.2, 0.3, 0.2, 0.15])
        yield Tissue(loop + 3, float(filling), 10)


def _vessels(body: _Body) -> Iterator[Tissue]:
    """Aorta and inferior vena cava; pancreas across them."""
    p = body.points
    yield Tissue(ellipsoid(p, (12 + body.rng.normal(scale=2), 22), (10, 10)), body.perfused(140, 15))
    yield Tissue(ellipsoid(p, (-20 + body.rng.normal(scale=2), 20), (12, 10)), body.perfused(110, 15))
    pancreas = union(tube(p, (-28, -8, -20), (10, -10, -8), 10), tube(p, (10, -10, -8), (62, 18, 10), 9), blend=6)
    yield Tissue(pancreas, body.perfused(90, 10), 10)


def _liver(body: _Body) -> tuple[Tissue, Tissue]:
    """The liver, and its portal vein, which belongs to it."""
    lobes = union(
        body.blob((-62, -4, 20), (52, 60, 60)),
        body.blob((-76, 2, -28), (34, 42, 44), loose=5),
        body.blob((2, -38, 30), (56, 26, 28), (0, 12, -12), loose=5),
        blend=14,
    )
    gap = body.rng.uniform(-2, 1.5)  # contact with the wall in most, thin fat in some
    cava = ellipsoid(body.points, (-20, 21), (12.5, 10.5))
    liver = without(common(lobes, body.cavity + gap, body.dome + 3), cava)
    hu = body.perfused(88, 12)
    trunk = tube(body.points, (-22, -4, 5), (-48, -6, 16), 6)
    branch = tube(body.points, (-48, -6, 16), (-80, 4, 28), 4.5)
    portal_vein = common(liver, union(trunk, branch, blend=3))
    return Tissue(liver, hu, 5, LABELS["liver"]), Tissue(portal_vein, hu + 25, 5, LABELS["liver"])


def _gallbladder(body: _Body) -> Iterator[Tissue]:
    """The gallbladder under the liver: bile."""
    yield Tissue(body.blob((-36, -42, -22), (14, 15, 24), loose=4), 12)


def _lesions(body: _Body, liver: Field, hu: float, smallest: float) -> Iterator[Tissue]:
    """One to three hypodense lesions inside the liver, 10 to 22 mm across, the first at least 14 and `smallest` mm."""
    for number in range(int(body.rng.integers(1, 4))):
        radius = body.rng.uniform(max(14.0, smallest) if number == 0 else 10.0, 22) / 2
        deep = np.flatnonzero(liver < -(radius + 3))
        if not deep.size:
            raise DataError("the phantom's liver is too small for a lesion: choose another seed")
        centre = body.points.reshape(3, -1)[:, body.rng.choice(deep)]
        radii = radius * body.rng.uniform(0.9, 1.15, size=3)
        field = ellipsoid(body.points, centre, radii, body.rng.uniform(0, 90, size=3))
        yield Tissue(field, hu - body.rng.uniform(50, 70), 6, LABELS["lesion"])


def _spleen(body: _Body) -> Iterator[Tissue]:
    """The spleen, hollowed towards its hilum, at the left back under the diaphragm."""
    gap = body.rng.uniform(2, 5)
    outer = body.blob((81, 20, 14), (37, 48, 50), (10, 0, -28))
    hilum = body.blob((48, -2, 12), (24, 28, 34))
    spleen = without(common(outer, body.cavity + gap, body.dome + 3), hilum)
    # Fat around it parts it from stomach and colon.
    yield Tissue(common(spleen - 3, body.cavity, body.dome), FAT, 10)
    yield Tissue(spleen, body.perfused(96, 15), 6, LABELS["spleen"])


def _kidneys(body: _Body) -> Iterator[Tissue]:
    """Both kidneys in their fat: a brighter cortex, a darker medulla, and a sinus of fat that is not segmented."""
    cortex = body.perfused(112, 18)
    for centre, side in (((58, 32, -33), 1), ((-58, 33, -38), -1)):
        kidney = body.blob(centre, (27, 27, 50), (-8, -10 * side, -25 * side))
        place = np.asarray(centre) - (side * 20, 4, 0)
        sinus = body.blob(place, (14, 9, 20), loose=2)
        yield Tissue(common(kidney - body.rng.uniform(2, 6), body.cavity), FAT, 10)
        whole = without(common(kidney, body.cavity + 2), sinus)
        yield Tissue(whole, cortex, 6, LABELS["kidney"])
        yield Tissue(common(whole, kidney + 10), cortex - 22, 8, LABELS["kidney"])
        yield Tissue(common(kidney, sinus), FAT + 40, 10)
