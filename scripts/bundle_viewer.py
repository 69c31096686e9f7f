"""Makes segkit/reports/viewer/niivue.js, the viewer inside reports, and the licences it comes under.

Run: python scripts/bundle_viewer.py    (needs node and npm, and the npm registry once)

NiiVue reads Zarr as well, through 1.3 MB of decoders that a report never calls; they are left out here.
"""

import json
import re
import subprocess
import tempfile
from pathlib import Path

NIIVUE, ESBUILD = "0.69.0", "0.25.12"
SHA512 = "sha512-YMjQvJgD1W2b7DuoxkwlC4VxbrgIePRJ5qyQzXKxi2v2MBVg285P/CIQyg46oDDGDIcaNlbd+MhtO/edMbXJkA=="
VIEWER = Path(__file__).resolve().parent.parent / "segkit" / "reports" / "viewer"
NAMES = "Niivue, NVImage, SLICE_TYPE, SHOW_RENDER, MULTIPLANAR_TYPE, DRAG_MODE"
OWN_LICENCE = "NIIVUE_LICENCE.txt"  # NiiVue's package has none in it; this is the text of its repository


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        install(work)
        (work / "entry.js").write_text(f'export {{ {NAMES} }} from "@niivue/niivue";\n')
        (work / "no_zarr.js").write_text("export {};\n")
        call = ["node_modules/.bin/esbuild", "entry.js", "--bundle", "--minify", "--format=iife", "--target=es2020"]
        call += ["--global-name=niivue", "--alias:zarrita=./no_zarr.js", "--metafile=made.json", "--outfile=niivue.js"]
        subprocess.run(call, cwd=work, check=True)
        bundle = (work / "niivue.js").read_text()
        if "</script" in bundle.lower():
            raise SystemExit("the bundle holds </script, which would end the element that it stands in")
        parts = json.loads((work / "made.json").read_text())["outputs"]["niivue.js"]["inputs"]
        (VIEWER / "niivue.js").write_text(f"/* NiiVue {NIIVUE}; licences: licences.txt */\n{bundle}")
        (VIEWER / "licences.txt").write_text(
            licences(work, [path for path, part in parts.items() if part["bytesInOutput"]])
        )
    print(f"wrote {VIEWER / 'niivue.js'}, {len(bundle) / 1e6:.2f} MB")


def install(work: Path) -> None:
    """Install NiiVue, the very package that was looked at, and a bundler; no script of theirs runs."""
    (work / "package.json").write_text('{"private": true}')
    wanted = [f"@niivue/niivue@{NIIVUE}", f"esbuild@{ESBUILD}"]
    subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *wanted], cwd=work, check=True)
    lock = json.loads((work / "package-lock.json").read_text())["packages"]
    if lock["node_modules/@niivue/niivue"]["integrity"] != SHA512:
        raise SystemExit("the registry serves another NiiVue than the one that was looked at")


def licences(work: Path, parts: list[str]) -> str:
    """Return the licence of every package that is in the bundle."""
    found = {match[1] for part in parts if (match := re.search(r"node_modules/((?:@[^/]+/)?[^/]+)/", part))}
    texts = []
    for package in sorted(found):
        folder = work / "node_modules" / package
        version = json.loads((folder / "package.json").read_text())["version"]
        own = [VIEWER / OWN_LICENCE] if package == "@niivue/niivue" else sorted(folder.glob("[Ll][Ii][Cc][Ee]*"))
        if not own:
            raise SystemExit(f"{package} brings no licence text")
        texts.append(f"{package} {version}\n\n{own[0].read_text().strip()}\n")
    return f"\n{'-' * 72}\n\n".join(texts)


if __name__ == "__main__":
    main()
