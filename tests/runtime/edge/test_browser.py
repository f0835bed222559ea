"""The page of a closed host, and what an open one passes on, as a real browser shows them.

The screenshots are in tests/artifacts, for who wants to see them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components.configuration import tunnel_command
from tests.needs import needs
from tests.runtime.edge.browser import PROGRAM, Browser, browser
from tests.runtime.edge.visits import DOMAIN, put
from tests.runtime.lone_host import Host
from tests.runtime.upstream import Upstream
from tests.stack import REPO, settings_of

pytestmark = [
    pytest.mark.heavy,
    needs("there is no browser: apt install chromium", PROGRAM),
]

_URL = f"https://{DOMAIN}/"
_SHOTS = REPO / "tests/artifacts"
# What a browser itself says of every page that comes with an error's status.
_SAYS_503 = "Failed to load resource: the server responded with a status of 503 ()"


@pytest.fixture(scope="module")
def visiting(lone: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(lone, tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.mark.parametrize(("name", "width", "height"), [("wide", 1280, 800), ("phone", 390, 844)])
def test_the_page_shows_the_way_in_and_asks_for_nothing(
    name: str, width: int, height: int, visiting: Browser, closed: Upstream
) -> None:
    visiting.sized(width, height)
    visiting.open(_URL)
    visiting.screenshot(_SHOTS / f"closed-{name}.png")

    shown = visiting.evaluate("document.body.innerText")
    assert tunnel_command(settings_of()) in shown
    assert "http://127.0.0.1:32400/web" in shown
    # Nothing to be scrolled sideways for.
    assert visiting.evaluate("document.documentElement.scrollWidth") <= width
    # Its styles count, though the policy forbids all else.
    assert visiting.evaluate("document.styleSheets.length") == 1
    assert visiting.requested == [_URL]
    assert [line for line in visiting.console if line != _SAYS_503] == []
    assert closed.met == []


def test_what_is_passed_on_is_shown_and_blames_nobody(visiting: Browser, opened: Upstream) -> None:
    visiting.sized(1280, 800)
    visiting.open(f"{_URL}web")
    visiting.screenshot(_SHOTS / "open.png")

    assert DOMAIN in visiting.evaluate("document.body.innerText")
    assert visiting.evaluate("location.protocol") == "https:"
    assert set(visiting.requested) <= {f"{_URL}web", f"{_URL}favicon.ico"}
    assert visiting.console == []
    assert "/web" in opened.met


def test_a_page_that_is_left_open_becomes_plex(
    lone: Host, visiting: Browser, closed: Upstream
) -> None:
    visiting.open(_URL)
    assert closed.met == []
    put(lone, "open")

    visiting.await_load()  # which the page does after half a minute

    assert DOMAIN in visiting.evaluate("document.body.innerText")
    assert closed.met[0] == "/"
