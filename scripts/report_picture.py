"""Draws docs/report.png from what `segkit demo` left: the viewer of its run's report, as Chromium shows it.

Run in the checkout: PYTHONPATH=. python scripts/report_picture.py segkit_demo docs/report.png
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.reports.chromium import Chromium, Page, installed

SHOWN = "window.segkitViewer?.case === 0 && document.getElementById('viewer-over').hidden"
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
PLACE = """(() => {
    const box = document.getElementById('viewer').getBoundingClientRect()
    return {x: 0, y: box.top + scrollY - 12, width: innerWidth, height: box.height + 24}
})()"""


def viewer_of(report: Path, profile: Path) -> bytes:
    """Return a PNG of the report's viewer with its first case open, the one with the lowest Dice."""
    browser = Chromium(profile)
    try:
        page = Page(browser, report.resolve().as_uri(), width=930)
        page.evaluate("document.getElementById('viewer').scrollIntoView({behavior: 'instant'})")
        page.wait_for(SHOWN)
        page.evaluate(DRAWN)
        return page.screenshot(**page.evaluate(PLACE))
    finally:
        browser.close()


def draw(demo: Path, output: Path) -> None:
    if installed() is None:
        sys.exit("no browser: chromium is not on the path")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        shot = viewer_of(demo / "run" / "report.html", Path(profile))
    with Image.open(io.BytesIO(shot)) as picture:
        picture.convert("RGB").quantize(128).save(output, optimize=True)  # a third of the bytes, hardly seen


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
