"""The page and the film in a real browser: headless Chromium, driven over WebDriver's HTTP.

What chromedriver answers is JSON; no package is needed for it. Everything runs on the loopback.
"""

import base64
import io
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from roadloom.viewer.options import ViewOptions
from roadloom.viewer.write import write_view

pytestmark = pytest.mark.chromium
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-dev-shm-usage", "--mute-audio",
    "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--force-device-scale-factor=1",
]  # fmt: skip
STARTS_WITHIN_S = 30


class Browser:
    """One WebDriver session."""

    def __init__(self, port: int, folder: Path) -> None:
        self.base = f"http://127.0.0.1:{port}"
        flags = [*FLAGS, f"--user-data-dir={folder}"]
        options = {"binary": shutil.which("chromium"), "args": flags}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/session/{session['sessionId']}"

    def _call(self, method: str, path: str, body: dict | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from error

    def visit(self, path: Path) -> None:
        self._call("POST", "/url", {"url": path.resolve().as_uri()})

    def run(self, script: str, *args: Any) -> Any:
        return self._call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def until(self, script: str, seconds: float = 20) -> Any:
        """Wait for a JavaScript expression to come true."""
        end = time.monotonic() + seconds
        while not (value := self.run(f"return {script}")):
            assert time.monotonic() < end, f"{script} stayed {value!r}"
            time.sleep(0.05)
        return value

    def resize(self, width: int, height: int) -> None:
        """Of the page itself, whatever the window's frame takes."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": size}
        self._call("POST", "/goog/cdp/execute", command)
        self.until(f"innerWidth === {width}")

    def screenshot(self) -> np.ndarray:
        data = base64.b64decode(self._call("GET", "/screenshot"))
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def pixels(self, element: str) -> np.ndarray:
        """What the screen shows where an element is, scrolled into sight."""
        box = self.run(
            f"const e = document.getElementById('{element}');"
            "e.scrollIntoView({block: 'center'}); return e.getBoundingClientRect()"
        )
        left, top = (round(box[k]) for k in ("left", "top"))
        shot = self.screenshot()
        return shot[top : top + round(box["height"]), left : left + round(box["width"])]

    def drag(self, element: str, by: tuple[int, int]) -> None:
        place = self.run(
            f"const e = document.getElementById('{element}');"
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            "return [b.left + b.width / 2, b.top + b.height / 2]"
        )
        x, y = map(round, place)
        moves: list[dict] = [
            {"type": "pointerMove", "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "duration": 60, "x": x + by[0], "y": y + by[1]},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "actions": moves}
        self._call("POST", "/actions", {"actions": [mouse]})

    def log(self, kind: str) -> list[dict]:
        return self._call("POST", "/se/log", {"type": kind})

    def close(self) -> None:
        self._call("DELETE", "")


@pytest.fixture(scope="module")
def driver_port(tmp_path_factory) -> Iterator[int]:
    """Chromedriver on a free port of the loopback."""
    program = shutil.which("chromedriver")
    if program is None or shutil.which("chromium") is None:
        pytest.skip("no chromium and chromedriver on this machine: the page was not opened")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    output = tmp_path_factory.mktemp("driver") / "log"
    with output.open("wb") as log:
        process = subprocess.Popen([program, f"--port={port}"], stdout=log, stderr=log)
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < end:
        assert process.poll() is None, "chromedriver ended at once"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("chromedriver did not open its port")


@pytest.fixture(scope="module")
def view(make_clip, small_grid, tmp_path_factory) -> Path:
    """A clip of five key frames as ``roadloom view`` writes it."""
    pytest.importorskip("av", reason="the video extra is not installed")
    folder = tmp_path_factory.mktemp("view")
    name = "<b>friends&amp;<script>"
    write_view(make_clip(count=5, scene=name), folder, ViewOptions(grid=small_grid))
    return folder


@pytest.fixture(scope="module")
def browser(driver_port, tmp_path_factory) -> Iterator[Browser]:
    opened = Browser(driver_port, tmp_path_factory.mktemp("profile"))
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def page(browser, view) -> Browser:
    browser.resize(1400, 900)
    browser.visit(view / "index.html")
    browser.until("document.body.dataset.shown === '0'")
    return browser


def no_complaint(browser: Browser) -> None:
    """No console message of weight, and no request but for the page and its own data."""
    heavy = [entry for entry in browser.log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert heavy == []
    events = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    urls = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    outside = {url for url in urls if not url.startswith(("file:", "data:", "blob:", "chrome:"))}
    assert outside == set()
    assert any(url.startswith("file:") for url in urls)  # else the log was not recorded


def test_page_opens_and_shows_everything(page) -> None:
    assert page.run("return document.getElementById('scene').textContent") == (
        "arithmetic:here:<b>friends&amp;<script>"
    )
    loaded = "[...document.images].filter((i) => i.naturalWidth === 160).length"
    page.until(f"{loaded} === 4")
    for element, tones in (("space-canvas", 200), ("plan-canvas", 20)):
        colors = np.unique(page.pixels(element).reshape(-1, 3), axis=0)
        assert len(colors) > tones, element
    missing = page.run("return document.querySelector('#space-absent').textContent")
    assert missing == ""
    no_complaint(page)


def test_drag_wheel_and_keys_move_the_view(page) -> None:
    shots = [page.pixels("space-canvas")]
    page.drag("space-canvas", (120, 30))
    shots.append(page.pixels("space-canvas"))
    page.run(
        "document.getElementById('space-canvas').dispatchEvent("
        "new WheelEvent('wheel', {deltaY: -300, cancelable: true}))"
    )
    time.sleep(0.3)
    shots.append(page.pixels("space-canvas"))
    for key in ("ArrowLeft", "+"):
        page.run(
            "document.getElementById('space-canvas').dispatchEvent("
            "new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))",
            key,
        )
        time.sleep(0.3)
        shots.append(page.pixels("space-canvas"))
    for before, after in zip(shots, shots[1:], strict=False):
        assert (before != after).any(axis=-1).mean() > 0.02
    assert page.run("return document.body.dataset.shown") == "0"  # arrows turned, time stood
    no_complaint(page)


def test_slider_and_play_move_time(page) -> None:
    before = page.pixels("plan-canvas")
    page.run(
        "const s = document.getElementById('time'); s.value = 3;"
        "s.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    page.until("document.body.dataset.shown === '3'")
    assert page.run("return document.getElementById('clock').textContent").startswith("1.50 / 2.00")
    assert (page.pixels("plan-canvas") != before).any(axis=-1).mean() > 0.002
    page.run("document.getElementById('play').click()")
    page.until("document.body.dataset.shown === '1'")  # it has run over the end
    page.run("document.getElementById('play').click()")
    stopped = page.run("return document.body.dataset.shown")
    time.sleep(1.2)
    assert page.run("return document.body.dataset.shown") == stopped
    no_complaint(page)


def test_switches_and_legend(page) -> None:
    full = page.pixels("space-canvas")
    for switch in ("space-voxels", "space-points", "space-boxes"):
        page.run(f"document.getElementById('{switch}').click()")
        time.sleep(0.3)
        now = page.pixels("space-canvas")
        assert (now != full).any(axis=-1).mean() > 0.001, switch
        full = now
    ring = page.pixels("ring")
    page.run("document.querySelector('#legend button[title]').click()")  # persons
    time.sleep(0.3)
    without = page.pixels("ring")
    assert (ring != without).any()
    page.run("document.getElementById('camera-points').click()")
    time.sleep(0.3)
    assert (page.pixels("ring") != without).any(axis=-1).mean() > 0.005
    no_complaint(page)


@pytest.mark.parametrize("width", [420, 760, 1400])
def test_nothing_runs_out_of_the_window(page, width) -> None:
    page.resize(width, 900)
    time.sleep(0.3)
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    wide = (
        "return [...document.querySelectorAll('canvas, button, select, section')]"
        ".filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.id)"
    )
    assert page.run(wide) == []
    no_complaint(page)


def test_bare_clip_says_what_is_missing(browser, make_clip, tmp_path) -> None:
    lacks = ("lidar", "boxes", "occupancy", "images", "map")
    write_view(make_clip(lacks=lacks), tmp_path / "bare", ViewOptions(film=False))
    browser.visit(tmp_path / "bare" / "index.html")
    browser.until("document.body.dataset.shown === '0'")
    said = browser.run("return document.querySelector('#space-absent').textContent")
    assert said == "LiDAR: not recorded · boxes: not recorded · occupancy: not recorded"
    assert browser.run("return document.getElementById('space-points').disabled")
    no_complaint(browser)


def test_film_plays(browser, view) -> None:
    browser.visit(view / "film.mp4")
    browser.until("document.querySelector('video')?.readyState >= 2")
    browser.run("const v = document.querySelector('video'); v.muted = true; v.play()")
    browser.until("document.querySelector('video').currentTime > 0.3")
    size = browser.run(
        "const v = document.querySelector('video'); return [v.videoWidth, v.duration]"
    )
    assert size[0] > 1000
    assert size[1] == pytest.approx(2.5, abs=0.1)
