"""Pages of what modules declare by one object each: metrics, file formats, forms of masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reference_pages import code, prose

from segkit.evaluation.metrics import declared
from segkit.evaluation.settings import Settings
from segkit.inference.exporters import exporters
from segkit.volumes.formats import formats


def pages() -> dict[str, str]:
    """Return the pages by path."""
    return {"reference/metrics.md": metrics_page(), "reference/formats.md": formats_page()}


def metrics_page() -> str:
    """Return the page of every metric, as the defaults of `segkit evaluate` define it."""
    groups: dict[str, list[Sequence[str]]] = {}
    for metric in declared(Settings()).values():
        better = {True: "higher", False: "lower", None: "0 is best"}[metric.higher_is_better]
        row = (code(metric.name), prose(metric.definition), prose(metric.unit), better, prose(metric.rule))
        groups.setdefault(metric.group, []).append(row)
    text = [
        "# Metrics",
        "",
        "By group, each of which `metrics.compute` may name. `summary.json` has these words beside the figures.",
        "[What each means](../explanation/metrics.md) says what they are good for.",
        "",
    ]
    for group, rows in groups.items():
        heads = ("metric", "definition", "unit", "better", "empty masks")
        text += [f"## {group}", "", *_table(heads, rows), ""]
    return "\n".join(text)


def formats_page() -> str:
    """Return the page of every format that is read, and every form in which masks are written."""
    read = [
        (code(each.name), code(" ".join(each.suffixes)), "yes" if each.write else "no", _by_content(each.recognises))
        for each in formats()
    ]
    written = [
        (code(each.name), code(each.suffix), "yes" if each.needs_dicom else "no", prose(", ".join(each.needs)))
        for each in exporters().values()
    ]
    return "\n".join(
        [
            "# Formats",
            "",
            "## Volumes",
            "",
            *_table(("format", "suffixes", "written too", "known by content"), read),
            "",
            "## Masks",
            "",
            "`segkit predict ... export=NAME`, or several: `export=[A,B]`.",
            "",
            *_table(("export", "suffix", "beside a DICOM series only", "refers to"), written),
            "",
        ]
    )


def _by_content(recognises: object) -> str:
    return "yes" if recognises else "no"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [" | ".join(cells) for cells in (heads, ["---"] * len(heads), *rows)]
    return [f"| {line} |" for line in lines]
