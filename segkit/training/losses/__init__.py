"""Losses on logits: of classes of which a voxel has one, or of regions of which it may have several.

They share one contract, that of `comparison.Loss`; a new one derives from it and says its formula in `of`.
"""

from segkit.training.losses.boundary import Boundary
from segkit.training.losses.centreline import CentrelineDice
from segkit.training.losses.combo import Combo
from segkit.training.losses.comparison import Comparison, Loss, compare
from segkit.training.losses.cross_entropy import Focal, TopKCrossEntropy
from segkit.training.losses.deep_supervision import at_size, supervised
from segkit.training.losses.dice import Dice, DiceCrossEntropy, DiceFocal
from segkit.training.losses.generalised_dice import GeneralisedDice
from segkit.training.losses.tversky import FocalTversky, Tversky
from segkit.training.losses.unified_focal import UnifiedFocal

__all__ = [
    "Boundary",
    "CentrelineDice",
    "Combo",
    "Comparison",
    "Dice",
    "DiceCrossEntropy",
    "DiceFocal",
    "Focal",
    "FocalTversky",
    "GeneralisedDice",
    "Loss",
    "TopKCrossEntropy",
    "Tversky",
    "UnifiedFocal",
    "at_size",
    "compare",
    "supervised",
]
