"""Whether the colours of errors differ for every eye, as they are painted over grey."""

from itertools import combinations

import numpy as np
import pytest

from segkit.reports.pictures import ERROR_COLOURS, OPACITY

# Machado, Oliveira and Fernandes 2009, IEEE TVCG 15(6): complete deficiency, on linear RGB.
EYES = {
    "normal": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = XYZ.sum(axis=1)


def in_lab(colour, eye):
    """Return CIE L*a*b* of an sRGB colour (0..255) as an eye sees it; a difference of 2 is just visible."""
    linear = np.where(colour <= 10, colour / 255 / 12.92, ((colour / 255 + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(XYZ @ np.clip(eye @ linear, 1e-3, 1) / WHITE)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("grey", [0, 60, 120, 180, 240])
def test_errors_are_told_apart_by_every_eye(eye, grey):
    painted = [(1 - OPACITY) * grey + OPACITY * np.array(colour) for colour in ERROR_COLOURS.values()]
    seen = [in_lab(colour, np.array(EYES[eye])) for colour in [*painted, np.full(3, float(grey))]]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 10
