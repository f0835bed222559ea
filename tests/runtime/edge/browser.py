"""A real browser: Chromium without a window, driven by the pipe that it has for that."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from tests.runtime.edge.visits import DOMAIN, SERVER
from tests.runtime.lone_host import Host

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")


class Browser:
    """One page, what it has asked for, and what its console says."""

    def __init__(self, asks: BinaryIO, answers: BinaryIO) -> None:
        self._asks = asks
        self._answers = answers
        self._number = 0
        self._session = ""
        self.requested: list[str] = []
        self.console: list[str] = []
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        attached = self.do("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **parameters: object) -> dict[str, Any]:
        """Have it do one thing of the DevTools protocol."""
        self._number += 1
        words: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            words["sessionId"] = self._session
        self._asks.write(json.dumps(words).encode() + b"\0")
        self._asks.flush()
        while (said := self._hear()).get("id") != self._number:
            pass
        assert "error" not in said, said
        result: dict[str, Any] = said["result"]
        return result

    def open(self, url: str) -> None:
        """Open an address, and wait until the page is loaded as a whole."""
        self.requested.clear()
        self.console.clear()
        self.do("Page.navigate", url=url)
        self.await_load()

    def await_load(self) -> None:
        """Wait until a page is loaded as a whole, which it may have begun by itself."""
        while self._hear().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, expression: str) -> Any:
        """What an expression of JavaScript is worth on the page."""
        done = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def sized(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.do("Emulation.setDeviceMetricsOverride", **size)

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b64decode(self.do("Page.captureScreenshot")["data"]))

    def _hear(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has ended"
            text += byte
        said: dict[str, Any] = json.loads(text)
        match said.get("method"):
            case "Network.requestWillBeSent":
                self.requested.append(said["params"]["request"]["url"])
            case "Log.entryAdded":
                self.console.append(said["params"]["entry"]["text"])
            case "Runtime.consoleAPICalled":
                self.console.append(json.dumps(said["params"]["args"]))
            case "Runtime.exceptionThrown":
                self.console.append(said["params"]["exceptionDetails"]["text"])
        return said


@contextmanager
def browser(on: Host, folder: Path) -> Iterator[Browser]:
    """Somebody's browser, in the host's network, which takes the test's certificate."""
    assert PROGRAM
    to_browser, asks = os.pipe()
    answers, from_browser = os.pipe()
    # The pipe is the descriptors 3 and 4.
    script = f'exec 3<&{to_browser} 4>&{from_browser}; exec "$@"'
    with subprocess.Popen(
        [
            *("nsenter", f"--target={on.pid}", "--net", "bash", "-c", script, "bash"),
            *(PROGRAM, "--headless=new", "--remote-debugging-pipe", "--no-first-run"),
            # It runs as root here, and meets nobody but the host.
            *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--disable-background-networking", "--disable-component-update"),
            *("--ignore-certificate-errors", f"--host-resolver-rules=MAP {DOMAIN} {SERVER}"),
            f"--user-data-dir={folder}",
        ],
        pass_fds=(to_browser, from_browser),
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(to_browser)
        os.close(from_browser)
        try:
            with os.fdopen(asks, "wb") as writes, os.fdopen(answers, "rb") as reads:
                made = Browser(writes, reads)
                yield made
        finally:
            process.terminate()
