"""The cases of a run's page: the worst ones as pictures, and all of them as the viewer knows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from segkit.config.labels import IGNORED
from segkit.reports.case_sheets import CaseSheet
from segkit.reports.charts import words
from segkit.reports.pictures import ERROR_COLOURS, label_colours, panels, picture_url, sized
from segkit.reports.run_record import RunRecord
from segkit.reports.scores import number

ERROR_NAMES = ("right", "too much, or another label", "missed")
Names = Mapping[str, str]


def worst_cases(record: RunRecord, sheets: Mapping[str, CaseSheet], names: Names, most: int) -> list[dict[str, Any]]:
    """Return the first cases as pictures."""
    place_of = {case: place for place, case in enumerate(record.scores.cases)}
    shown = []
    for order, (case, sheet) in enumerate(list(sheets.items())[:most]):
        plane = sized(sheet.plane)
        place = place_of.get(case)
        said = plane.what
        if place is not None:
            said = (
                f"{words(record.scores.main)} {number(float(record.scores.means[record.scores.main][place]))}, {said}"
            )
        pictures = [(what, picture_url(picture)) for what, picture in panels(plane)]
        case_number = order if place is None else place
        shown.append(
            {"name": names[case], "case": case_number, "plane": plane.what, "said": said, "pictures": pictures}
        )
    return shown


def legend(record: RunRecord, sheets: Mapping[str, CaseSheet]) -> list[tuple[str, str]]:
    """Return the colours of pictures with what they mean."""
    labels = record.labels.foreground
    colours = label_colours(len(labels))
    entries = list(zip(labels, colours, strict=False))[:IGNORED]
    if any(sheet.plane.reference is not None and sheet.plane.mask is not None for sheet in sheets.values()):
        entries += [(f"errors: {name}", colour) for name, colour in error_colours()]
    return entries


def error_colours() -> list[tuple[str, str]]:
    """Return what is right and wrong of a mask, in words, with its colour in pictures and viewer."""
    colours = ("#{:02x}{:02x}{:02x}".format(*colour) for colour in ERROR_COLOURS.values())
    return list(zip(ERROR_NAMES, colours, strict=True))


def viewer_book(
    record: RunRecord, sheets: Mapping[str, CaseSheet], names: Names, folder: str, *, is_served: bool
) -> dict[str, Any] | None:
    """Return what the viewer knows of the cases beside their volumes; None where there is none to show."""
    if not sheets:
        return None
    scores = record.scores
    place_of = {case: place for place, case in enumerate(scores.cases)}
    labels = record.labels.foreground
    colours = label_colours(len(labels))
    cases = []
    for order, (case, sheet) in enumerate(sheets.items()):
        place = place_of.get(case)
        mean = np.nan if place is None else float(scores.means[scores.main][place])
        has = [("reference", sheet.plane.reference), ("mask", sheet.plane.mask)]
        cases.append(
            {
                "name": names[case],
                "case": order if place is None else place,
                "score": "" if np.isnan(mean) else number(mean),
                "worst": list(sheet.worst),
                "windows": [list(window) for window in sheet.windows],
                "every": list(sheet.carried.every),
                "has": [name for name, part in has if part is not None],
                "picture": sheet.is_picture,
            }
        )
    errors = [{"name": name, "colour": colour} for name, colour in error_colours()]
    named = [{"name": label, "colour": colours[index % len(colours)]} for index, label in enumerate(labels)]
    return {
        "cases": cases, "labels": named, "errors": errors, "metric": words(scores.main), "folder": folder,
        "served": is_served,
    }  # fmt: skip
