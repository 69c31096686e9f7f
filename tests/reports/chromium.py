"""A real browser for tests: Debian's Chromium, told what to do through its debugging pipe, with nothing to install."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

FLAGS = (
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
# The browser reads from descriptor 3 and writes to 4; ours may have these very numbers the other way round.
START = """
import fcntl, os, sys
reads, writes = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 20) for number in sys.argv[1:3])
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
# What is true once the viewer of a report shows the case of that number.
VIEWER_SHOWS = "window.segkitViewer?.case === {} && document.getElementById('viewer-over').hidden"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def installed() -> str | None:
    """Return the browser's program, None where there is none."""
    return next((found for program in PROGRAMS if (found := shutil.which(program))), None)


class Chromium:
    """A headless browser with a profile of its own."""

    def __init__(self, profile: Path) -> None:
        to_browser, self.send_to = os.pipe()
        self.receive_from, from_browser = os.pipe()
        command = [installed() or "", *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        start = [sys.executable, "-c", START, str(to_browser), str(from_browser), *command]
        self.process = subprocess.Popen(start, pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.count, self.pending, self.events = 0, b"", []

    def call(self, method: str, session: str | None = None, limit: float = 60.0, **parameters) -> dict:
        """Call a method of the DevTools protocol and return its result."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.send_to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + limit
        while True:
            answer = self.next_message(deadline)
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def next_message(self, deadline: float) -> dict:
        while b"\0" not in self.pending:
            ready, _, _ = select.select([self.receive_from], [], [], max(0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            read = os.read(self.receive_from, 1 << 20)
            assert read, "the browser has ended"
            self.pending += read
        text, _, self.pending = self.pending.partition(b"\0")
        return json.loads(text)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        os.close(self.send_to)
        os.close(self.receive_from)


class Page:
    """One page, with what its console said."""

    def __init__(self, browser: Chromium, url: str, width: int = 1280, height: int = 900, phone: bool = False) -> None:
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height, phone)
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def call(self, method: str, **parameters) -> dict:
        return self.browser.call(method, session=self.session, **parameters)

    def resize(self, width: int, height: int, phone: bool = False) -> None:
        scale = 2 if phone else 1
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def evaluate(self, expression: str):
        """Return the value of an expression, of a promise what it comes to."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str, limit: float = 40.0) -> None:
        deadline = time.monotonic() + limit
        while not self.evaluate(expression):
            assert time.monotonic() < deadline, f"never true: {expression}"
            time.sleep(0.05)

    def wait_until_drawn(self) -> None:
        """Wait until what changed last is on the screen."""
        self.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def screenshot(self, whole: bool = False, **clip) -> bytes:
        """Return a PNG of what is seen, of the whole page, or of a part (x, y, width, height in CSS pixels)."""
        more = {"clip": {**clip, "scale": 1}} if clip else {}
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole or bool(clip), **more)
        return base64.b64decode(answer["data"])

    def key(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" else "")

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings of the console, and exceptions, so far."""
        found = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            told = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(told["exceptionDetails"])[:500])
            elif event["method"] == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
                found.append(told["entry"]["text"])
            elif event["method"] == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
                found.append(json.dumps(told["args"])[:500])
        return found

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)
