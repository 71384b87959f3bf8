"""A headless Chromium for tests and screenshots, driven over its own debugging pipe.

Chromium reads commands (the DevTools protocol: JSON, ended by a null byte) on file
descriptor 3 and answers on 4. That needs no driver, no port, no network and no package.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["REQUIRED", "Browser", "Page", "find", "needed", "opened"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Set where a missing browser is a failure, not a reason to skip.
REQUIRED = "DMTEST_REQUIRE_BROWSER"
PATIENCE = 60.0  # seconds to wait for an answer: a busy machine is slow, not broken
KEYS = {
    "Enter": ("Enter", 13, "\r"),
    "Space": (" ", 32, " "),
    "Tab": ("Tab", 9, ""),
    "Escape": ("Escape", 27, ""),
    "ArrowRight": ("ArrowRight", 39, ""),
}
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # continuous integration runs as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
    "about:blank",
)


def find() -> str | None:
    """Return the path of a Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def needed() -> str:
    """Return the path of a browser; skip the test without one, or fail where it is required."""
    binary = find()
    if binary is None:
        missing = f"no browser: install chromium (looked for {', '.join(NAMES)})"
        if os.environ.get(REQUIRED):
            pytest.fail(f"{missing}; {REQUIRED} is set")
        pytest.skip(missing)
    return binary


class Browser:
    """One running browser: sends commands and keeps the events that come in between."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._buffer = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []

    def send(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        left = json.dumps(message).encode() + b"\0"
        while left:
            left = left[os.write(self._writing, left) :]
        while True:
            answer = self._next(f"an answer to {method}")
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self.events.append(answer)

    def wait(self, method: str, session: str) -> dict[str, Any]:
        """Return the parameters of the first event of this kind, waiting for it."""
        while True:
            for event in self.events:
                if event.get("method") == method and event.get("sessionId") == session:
                    self.events.remove(event)
                    return dict(event["params"])
            self.events.append(self._next(method))

    def _next(self, awaited: str) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._reading], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError(f"the browser did not give {awaited} in {PATIENCE:g} s")
            chunk = os.read(self._reading, 1 << 20)
            if not chunk:
                raise RuntimeError(f"the browser ended before it gave {awaited}")
            self._buffer += chunk
        text, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(text))

    def open(self, url: str, *, script: bool = True, **view: Any) -> Page:
        """Open an address in a new tab; see `Page.view` for the options."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
            page.send(f"{domain}.enable")
        page.send("Emulation.setScriptExecutionDisabled", value=not script)
        page.view(**view)
        page.send("Page.navigate", url=url)
        self.wait("Page.loadEventFired", session)
        return page


class Page:
    """One tab."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser, self._target, self._session = browser, target, session

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command to this tab and return its result."""
        return self._browser.send(method, self._session, **params)

    def view(
        self, *, width: int = 1280, height: int = 900, dark: bool = False, media: str = "screen"
    ) -> None:
        """Set the size of the window in CSS pixels, the colour scheme and the medium."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, through JSON."""
        found = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key."""
        name, code, text = KEYS[key]
        common = {"key": name, "code": key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, *, whole: bool = False) -> bytes:
        """Return a PNG of the window, or of the whole page."""
        more: dict[str, Any] = {}
        if whole:
            size = self.send("Page.getLayoutMetrics")["cssContentSize"]
            more = {"captureBeyondViewport": True, "clip": {**size, "scale": 1}}
        found = self.send("Page.captureScreenshot", format="png", **more)
        return base64.b64decode(found["data"])

    def pdf(self) -> bytes:
        """Return what printing on A4 gives."""
        self.send("Emulation.setEmulatedMedia", media="print")
        found = self.send("Page.printToPDF", paperWidth=8.27, paperHeight=11.7)
        return base64.b64decode(found["data"])

    def requests(self) -> list[str]:
        """Return the addresses asked for so far."""
        return [one["request"]["url"] for one in self._seen("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """Return what the console holds: messages, exceptions, broken policies."""
        logged = [one["entry"]["text"] for one in self._seen("Log.entryAdded")]
        thrown = [str(one["exceptionDetails"]) for one in self._seen("Runtime.exceptionThrown")]
        return logged + thrown + [str(one) for one in self._seen("Runtime.consoleAPICalled")]

    def tree(self) -> list[tuple[str, str]]:
        """Return role and name of everything that a screen reader is told, in order."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        return [
            (str(node["role"]["value"]), str(node.get("name", {}).get("value", "")).strip())
            for node in nodes
            if not node["ignored"]
        ]

    def close(self) -> None:
        """Close the tab."""
        self._browser.send("Target.closeTarget", targetId=self._target)

    def _seen(self, method: str) -> list[dict[str, Any]]:
        self.evaluate("1")  # what came before is read with the answer
        return [
            event["params"]
            for event in self._browser.events
            if event.get("method") == method and event.get("sessionId") == self._session
        ]


@contextmanager
def opened(binary: str, profile: Path) -> Iterator[Browser]:
    """Start a browser with an empty profile in a folder, and end it."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    # Numbers are given out in order, so that neither end is overwritten before it is moved.
    shell = f'exec 3<&{theirs_in} 4>&{theirs_out} && exec "$@"'
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", binary, *FLAGS[:-1], f"--user-data-dir={profile}", FLAGS[-1]],
        pass_fds=(theirs_in, theirs_out),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        browser = Browser(ours_in, ours_out)
        yield browser
        browser.send("Browser.close")
    finally:
        os.close(ours_in)
        os.close(ours_out)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
