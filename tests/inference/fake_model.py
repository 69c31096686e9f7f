"""A model that computes nothing, for what goes on around it."""

from types import SimpleNamespace

import numpy as np
from streams import EXACT

from segkit.config.labels import labels_from
from segkit.inference.model import Mask, Ready
from segkit.inference.streaming import Work
from segkit.preparation.scans import Scan
from segkit.volumes.grid import Grid
from segkit.volumes.volume import Source, Volume


class Fake:
    """A model that labels everything 1 and counts its calls."""

    def __init__(self, weights="a", broken=(), rules=None):
        self.record = SimpleNamespace(name="fake", labels={"background": 0, "all": 1}, weights=weights, seen=[])
        self.records, self.broken, self.calls = (self.record,), broken, []
        self.options, self.rules, self.previous, self.scores = EXACT, rules or {}, (), None

    def bytes_to_read(self, images):
        return 1000

    def read(self, images):
        name = images["CT"].name
        self.calls.append(name)
        if name in self.broken:
            raise self.broken[name]
        scan = Volume(np.zeros((1, 2, 2, 2)), Grid((2, 2, 2), np.eye(4)), Source(images["CT"], "nifti"))
        return Scan(scan.array, scan.grid, scan)

    def ready_of(self, scan):
        return Ready(scan, (), Work(axis=0, pieces=1, windows=1, bytes=1000))

    def mask_of(self, ready):
        return Mask(np.ones((2, 2, 2), np.uint8), labels_from(self.record.labels), ready.scan.first)
