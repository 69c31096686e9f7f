"""Charts, tables and pictures of cases as files, for papers and talks."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segkit.foundation.errors import UsageError
from segkit.foundation.files import atomic_file, write_text
from segkit.reports.case_sheets import Looks
from segkit.reports.charts import words
from segkit.reports.drawing import Drawing, svg_file
from segkit.reports.embedding import windows
from segkit.reports.looking import Files, Seen, levels, see, worst_voxel
from segkit.reports.pictures import panels, plane_of, sized
from segkit.reports.raster import write_png
from segkit.reports.scores import MEAN, Scores, interval_of, number
from segkit.studies.naming import distinct, plain_name
from segkit.volumes.outlines import Picture

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 360  # pixels of a panel
GAP, LINE = 8, 26  # pixels between panels, above them
MOVING, COLOURS = 240, 96  # pixels of a panel, and colours, of an animation
FRAME = 140  # milliseconds of a slice
STATISTICS = ("mean", "median", "std", "n", "left_out")
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    c: f"\\{c}" for c in "&%$#_{}"
}


def write_charts(drawings: Sequence[Drawing], folder: Path) -> list[Path]:
    """Write charts as SVG and PNG and return the files."""
    written, names = [], list[str]()
    for drawing in drawings:
        names.append(distinct(file_name(drawing.name), names))
        path = folder / f"{names[-1]}.svg"
        write_text(path, svg_file(drawing))
        write_png(drawing, path.with_suffix(".png"))
        written += [path, path.with_suffix(".png")]
    return written


def write_tables(scores: Scores, folder: Path) -> list[Path]:
    """Write the summary as CSV, in full, and as LaTeX, as it is printed, and return the files."""
    files = {"summary.csv": summary_csv(scores), "summary.tex": summary_latex(scores)}
    for name, text in files.items():
        write_text(folder / name, text)
    return [folder / name for name in files]


def summary_csv(scores: Scores) -> str:
    """Return a line for each label, and the mean over them, and metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("label", "metric", "unit", *STATISTICS, "ci95_low", "ci95_high"))
    for label in (*scores.labels, MEAN):
        for metric in scores.metrics:
            told = scores.statistics(label, metric)
            values = ["" if told.get(name) is None else told[name] for name in STATISTICS]
            writer.writerow((label, metric, scores.unit(metric), *values, *(interval_of(told) or ("", ""))))
    return text.getvalue()


def summary_latex(scores: Scores) -> str:
    """Return the means with their intervals as a table of LaTeX's booktabs package."""
    heads = [words(m) + (f" [{scores.unit(m)}]" if scores.unit(m) else "") for m in scores.metrics]
    lines = [rf"\begin{{tabular}}{{l{'c' * len(heads)}}}", r"\toprule"]
    lines += [" & ".join(map(escaped, ("Label", *heads))) + r" \\", r"\midrule"]
    for label in (*scores.labels, MEAN):
        cells = []
        for metric in scores.metrics:
            told = scores.statistics(label, metric)
            ends = interval_of(told)
            cells.append(number(told.get("mean")) + (f" ({number(ends[0])}--{number(ends[1])})" if ends else ""))
        lines += [r"\midrule"] if label == MEAN and len(scores.labels) > 1 else []
        lines.append(" & ".join((escaped(label), *cells)) + r" \\")
    count = max((told for told in [scores.statistics(MEAN, scores.main).get("n")] if isinstance(told, int)), default=0)
    return "\n".join(
        [f"% means over {count} cases with 95% bootstrap intervals", *lines, r"\bottomrule", r"\end{tabular}", ""]
    )


def escaped(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(LATEX.get(character, character) for character in " ".join(text.split()))


def write_cases(files: Sequence[Files], called: Sequence[str], looks: Looks, folder: Path) -> list[Path]:
    """Write each case as PNG, on its worst slice, and where it is a volume as GIF, slice by slice.

    Args:
        files: of the cases.
        called: their names in file names and pictures.
        looks: how they are shown.
        folder: of the files.

    Raises:
        DataError: when a case cannot be read.
    """
    written = []
    for each, name in zip(files, called, strict=True):
        seen = see(each, looks.channel, looks.channels, looks.labels)
        shown = windows(looks.family, levels(seen.grey), is_colour=len(seen.image) > 1)
        window = shown[0][1:] if shown else (0.0, 255.0)
        path = folder / f"case_{file_name(name)}.png"
        with atomic_file(path) as temporary:
            frame(seen, worst_voxel(seen)[2], window, name).save(temporary, format="PNG")
        written.append(path)
        if seen.image.shape[3] > 1:
            written.append(write_gif(seen, window, name, path.with_suffix(".gif")))
    return written


def write_gif(seen: Seen, window: tuple[float, float], name: str, path: Path) -> Path:
    """Write the slices that hold a label, and some around them, as an animation, and return its file."""
    from PIL import Image

    parts = [part for part in (seen.reference, seen.mask) if part is not None]
    held = np.flatnonzero(np.any([part.any(axis=(0, 1)) for part in parts], axis=0)) if parts else np.empty(0, int)
    last = seen.image.shape[3] - 1
    first, stop = (max(0, int(held[0]) - 2), min(last, int(held[-1]) + 2)) if held.size else (0, last)
    frames = [
        frame(seen, index, window, name, MOVING).quantize(COLOURS, dither=Image.Dither.NONE)
        for index in range(first, stop + 1)
    ]
    with atomic_file(path) as temporary:
        frames[0].save(temporary, format="GIF", save_all=True, append_images=frames[1:], duration=FRAME, loop=0)
    return path


def frame(seen: Seen, index: int, window: tuple[float, float], name: str, side: int = SIDE) -> Image:
    """Return the panels of a slice side by side, with what they show above them."""
    from PIL import Image, ImageDraw, ImageFont

    plane = sized(plane_of(seen, 2, index, window), side)
    shown: list[tuple[str, Picture]] = panels(plane)
    height, width = shown[0][1].shape[:2]
    sheet = Image.new("RGB", (len(shown) * (width + GAP) + GAP, height + 2 * LINE + GAP), "black")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    pen.text((GAP, 5), f"{name}, {plane.what}", "white", font)
    for place, (what, picture) in enumerate(shown):
        x = GAP + place * (width + GAP)
        pen.text((x, LINE + 3), what, (200, 208, 216), font)
        sheet.paste(Image.fromarray(picture), (x, 2 * LINE))
    return sheet


def file_name(name: str) -> str:
    """Return a name that is safe in every folder."""
    return plain_name(name) or "unnamed"


def chosen(names: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """Return the cases to draw: those asked for, else the first.

    Raises:
        UsageError: when one that is asked for is not there.
    """
    if wanted is None:
        return list(names[:1])
    absent = [name for name in wanted if name not in names]
    if absent:
        from segkit.foundation.suggestions import did_you_mean

        hint = did_you_mean(absent[0], names) or ";"
        raise UsageError(
            f"cases: {absent[0]} is not there to be drawn{hint} {len(names)} are, such as {', '.join(names[:3])}"
        )
    return list(wanted)
