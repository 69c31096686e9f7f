"""Draws docs/report.png from the report of what `segkit demo` trained: its viewer, as Chromium shows it.

Run in the checkout, after `segkit report run=segkit_demo/run`:

    PYTHONPATH=. python scripts/report_picture.py segkit_demo/run/report.html docs/report.png
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.reports.chromium import VIEWER_SHOWS, Chromium, Page, installed

PLACE = """(() => {
    const box = document.getElementById('viewer').getBoundingClientRect()
    return {x: 0, y: box.top + scrollY - 12, width: innerWidth, height: box.height + 24}
})()"""


def viewer_of(report: Path, profile: Path) -> bytes:
    """Return a PNG of the report's viewer with its first case open, the one with the lowest Dice."""
    browser = Chromium(profile)
    try:
        page = Page(browser, report.resolve().as_uri(), width=1000)
        page.evaluate("document.getElementById('viewer').scrollIntoView({behavior: 'instant'})")
        page.wait_for(VIEWER_SHOWS.format(0))
        page.wait_until_drawn()
        return page.screenshot(**page.evaluate(PLACE))
    finally:
        browser.close()


def draw(report: Path, output: Path) -> None:
    if installed() is None:
        sys.exit("no browser: chromium is not on the path")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        shot = viewer_of(report, Path(profile))
    with Image.open(io.BytesIO(shot)) as picture:
        picture.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE).save(output, optimize=True)  # half the bytes


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
