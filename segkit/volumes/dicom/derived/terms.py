"""What the name of a label means, as codes that other software understands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.foundation.errors import UsageError
from segkit.foundation.files import read_yaml
from segkit.foundation.suggestions import did_you_mean

if TYPE_CHECKING:
    from pydicom.sr.coding import Code

SNOMED = "SCT"
LEFT, RIGHT = "left", "right"
SIDES = {"left": LEFT, "l": LEFT, "lt": LEFT, "right": RIGHT, "r": RIGHT, "rt": RIGHT}
SIDE_CODES = {LEFT: ("7771000", SNOMED, "Left"), RIGHT: ("24028007", SNOMED, "Right")}
WORDS = re.compile(r"[\W_]+")
LONGEST_CODE = 16  # characters of a CodeValue
Coded = tuple[str, str, str]  # value, scheme, meaning
CATEGORIES: dict[str, Coded] = {
    "anatomy": ("91723000", SNOMED, "Anatomical Structure"),
    "altered": ("49755003", SNOMED, "Morphologically Abnormal Structure"),
}
TISSUE: Coded = ("85756007", SNOMED, "Tissue")  # both category and type of what has no term


@dataclass(frozen=True)
class Term:
    """What a segment is.

    Attributes:
        category, kind: value, scheme and meaning of the codes (DICOM PS3.16, CID 7150, and 7151, 7159 ... for `kind`).
        side: `left`, `right` or "".
        is_known: False where nothing was found and it is called tissue.
    """

    category: Coded
    kind: Coded
    side: str = ""
    is_known: bool = True


def code(coded: Coded) -> Code:
    """Return a code as pydicom and highdicom take it."""
    from pydicom.sr.coding import Code

    return Code(*coded)


def term_for(label: str, own: Mapping[str, Any]) -> Term:
    """Return what a label means.

    Args:
        label: as the data set or the mask names it, in any spelling: `left_kidney`, `Kidney L`, `kidneys`.
        own: the user's table, `objects.terms`, whose keys win: another label's name, or a code as
            [scheme, value, meaning], or a mapping of `code` and, where wanted, `category` (likewise) and `side`.

    Returns:
        the term; of a label that no table has the code for tissue.

    Raises:
        UsageError: when an entry of `own` has none of these forms.
    """
    mine = next((entry for name, entry in own.items() if plain(name) == plain(label)), None)
    if isinstance(mine, str):
        found = _known(mine)
        if found is None:
            raise UsageError(f"objects.terms.{label}: there is no term {mine}{did_you_mean(mine, names())}")
        return replace(found, side=found.side or side_of(label))
    if mine is not None:
        return _own(label, mine)
    return _known(label) or Term(TISSUE, TISSUE, side_of(label), is_known=False)


def side_of(label: str) -> str:
    """Return `left` or `right` where one of these words, or its first letter, stands in a label, else ""."""
    words = [word for word in WORDS.split(label.lower()) if word]
    found = {SIDES[word] for word in words if word in SIDES} if len(words) > 1 else set()
    return found.pop() if len(found) == 1 else ""


def plain(label: str) -> str:
    """Return a label in small letters and digits alone."""
    return WORDS.sub("", label.lower())


@cache
def table() -> dict[str, Term]:
    """Return segkit's own table, by every name in plain letters."""
    found: dict[str, Term] = {}
    for section, terms in read_yaml(Path(__file__).with_name("terms.yaml")).items():
        for name, (value, meaning, *others) in terms.items():
            term = Term(CATEGORIES[section], (str(value), SNOMED, meaning))
            found |= {plain(str(each)): term for each in (name, *others)}
    return found


def names() -> list[str]:
    """Return the names that segkit's table has a meaning for."""
    return [str(name) for terms in read_yaml(Path(__file__).with_name("terms.yaml")).values() for name in terms]


def _known(label: str) -> Term | None:
    """Return the term of a whole label, else of the label without its side, its number and its plural."""
    side = side_of(label)
    bare = "".join(word for word in WORDS.split(label.lower()) if not (side and word in SIDES))
    unnumbered = bare.rstrip("0123456789")
    for candidate in (plain(label), bare, unnumbered, unnumbered.removesuffix("s")):
        if candidate in table():
            has_side = candidate == plain(label) and table()[candidate].kind[2].lower().startswith((LEFT, RIGHT))
            return replace(table()[candidate], side="" if has_side else side)
    return None


def _own(label: str, entry: Any) -> Term:
    where = f"objects.terms.{label}"
    if isinstance(entry, list):
        entry = {"code": entry}
    if not isinstance(entry, Mapping) or "code" not in entry or not set(entry) <= {"code", "category", "side"}:
        raise UsageError(f"{where} is a name, [SCHEME, CODE, MEANING], or {{code: [...], category: [...], side: left}}")
    side = str(entry.get("side") or side_of(label))
    if side not in ("", LEFT, RIGHT):
        raise UsageError(f"{where}.side: {side} is neither left nor right")
    category = _coded(entry["category"], f"{where}.category") if "category" in entry else CATEGORIES["anatomy"]
    return Term(category, _coded(entry["code"], f"{where}.code"), side)


def _coded(value: Any, where: str) -> Coded:
    parts = [str(part) for part in value] if isinstance(value, list) else []
    if len(parts) != 3 or not all(parts) or len(parts[1]) > LONGEST_CODE:
        raise UsageError(f"{where}: a code is [SCHEME, CODE, MEANING], e.g. [SCT, 10200004, Liver]")
    return parts[1], parts[0], parts[2]
