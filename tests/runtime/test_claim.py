"""`plex-claim` as somebody types it, in a real terminal, with the gate and Plex's stand-in behind it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.runtime.lone_host import Host, host

_TOKEN = "claim-abcdefghij0123456789"
_OWNED = "Plex has an owner already"
# Plex needs the mount; here there is none.
_MEDIA = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
_COMMAND = """
toString (builtins.head (
  builtins.filter (each: each.name == "plex-claim") config.environment.systemPackages
))
"""


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("claim")) as running:
        units = ("plex-gate", "plex")
        texts = {name: f'config.systemd.units."{name}.service".text' for name in units}
        built = running.build({**texts, "command": _COMMAND}, libraryBackup=False)
        for name in units:
            running.unit(f"{name}.service", built[name])
        command = (running.root / built["command"].lstrip("/")).read_text()
        running.ok("ln", "-s", f"{command}/bin/plex-claim", "/usr/local/bin/plex-claim")
        running.write("/run/systemd/system/media.service", _MEDIA)
        running.ok("systemctl", "daemon-reload")
        yield running


@pytest.fixture
def plex(lone: Host) -> Iterator[Host]:
    """A host with a Plex that nobody owns."""
    lone.ok("rm", "-rf", "/var/lib/plex")
    lone.ok("systemctl", "start", "plex", "plex-gate")
    lone.await_port("127.0.0.1", 32400)
    yield lone
    lone.ok("systemctl", "stop", "plex-gate", "plex")


@contextmanager
def terminal(on: Host, *command: str) -> Iterator[pexpect.spawn[str]]:
    program, *arguments = on.command(*command or ("plex-claim",))

    def heed() -> None:
        # Where the tests run in the background, Ctrl-C is ignored, and by all that they start.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with pexpect.spawn(
        program, arguments, timeout=30, encoding="utf-8", preexec_fn=heed
    ) as started:
        yield started


def typed(on: Host, line: str) -> tuple[int, str]:
    """The command's status and what the terminal shows, once the line was typed when it was asked for."""
    with terminal(on) as started:
        started.expect("nothing is shown here.: ")
        assert not started.getecho()
        started.sendline(line)
        started.expect(pexpect.EOF)
        shown = str(started.before).strip()
        started.close()
        assert started.exitstatus is not None
        return started.exitstatus, shown


def answers(status: int, claimed: str = "0") -> Starlette:
    """A Plex that answers this to a claim."""

    def identity(_: Request) -> Response:
        return Response(f'<MediaContainer size="0" claimed="{claimed}" version="1"/>')

    def claim(_: Request) -> Response:
        return Response(status_code=status)

    return Starlette(
        routes=[
            Route("/identity", identity),
            Route("/myplex/claim", claim, methods=["POST"]),
        ]
    )


def test_a_token_claims_it_and_it_opens(plex: Host) -> None:
    assert plex.run("test", "-e", "/run/plex-gate/open").returncode == 1

    assert typed(plex, _TOKEN) == (0, "plex-claim: claimed, and open to visitors")

    plex.ok("sh", "-c", "until [ -e /run/plex-gate/open ]; do sleep 0.1; done")
    assert 'claimed="1"' in plex.ok("curl", "-fsS", "http://127.0.0.1:32400/identity")
    again = plex.run("plex-claim")
    assert again.returncode == 0
    assert _OWNED in again.stdout


def test_a_token_may_come_by_a_pipe(plex: Host) -> None:
    assert plex.ok("plex-claim", stdin=f"{_TOKEN}\n").endswith("claimed, and open to visitors\n")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "no token was given; "),
        ("  ", "no token was given; "),
        ("abcdefghij0123456789", "that is not a claim token, which begins with claim-; "),
        ("claim-", "that is not a whole claim token; "),
        ("claim-abcdefghij 0123456789", "that is not a whole claim token; "),
        ('claim-"\\noutput=x', "that is not a whole claim token; "),
        (
            "claim-short",
            "Plex does not take that token: it is wrong, used, or older than four minutes; ",
        ),
        (
            "claim-expiredhij0123456789",
            "Plex does not take that token: it is wrong, used, or older than four minutes; ",
        ),
    ],
)
def test_a_token_that_is_none_is_told_in_a_sentence(line: str, sentence: str, plex: Host) -> None:
    status, shown = typed(plex, line)

    assert (status, shown) == (
        1,
        f"plex-claim: {sentence}https://www.plex.tv/claim shows a new one",
    )
    assert plex.run("test", "-e", "/run/plex-gate/open").returncode == 1


def test_without_plex_nothing_is_asked_for(lone: Host) -> None:
    done = lone.run("plex-claim", stdin=f"{_TOKEN}\n")

    assert done.returncode == 1
    assert done.stderr == "plex-claim: Plex does not answer; see systemctl status plex\n"


def test_a_plex_at_work_on_its_database_is_waited_for(lone: Host) -> None:
    busy = Starlette(routes=[Route("/identity", lambda _: Response(status_code=503))])
    with lone.serving(busy, 32400):
        done = lone.run("plex-claim", stdin=f"{_TOKEN}\n")

    assert done.returncode == 1
    assert "Plex is at work on its database" in done.stderr


def test_a_plex_that_cannot_ask_is_told(lone: Host) -> None:
    with lone.serving(answers(500), 32400):
        done = lone.run("plex-claim", stdin=f"{_TOKEN}\n")

    assert done.returncode == 1
    assert "could not have the token checked (status 500)" in done.stderr


def test_ctrl_c_gives_the_terminal_back(plex: Host) -> None:
    # In a terminal of the host's own, which does not end with what nsenter started.
    session = "trap : INT; plex-claim; echo status $?; stty -a"
    with terminal(plex, "script", "-qec", session, "/dev/null") as started:
        started.expect("nothing is shown here.: ")
        started.sendintr()
        started.expect("status 130")
        started.expect(r"[^-]echo\b")


def test_the_token_is_seen_nowhere(lone: Host) -> None:
    asked, ends = threading.Event(), threading.Event()
    met: list[str] = []

    def claim(request: Request) -> Response:
        met.append(request.query_params["token"])
        asked.set()
        ends.wait(300)
        return Response(status_code=401)

    routes = [
        Route("/identity", lambda _: Response("<MediaContainer/>")),
        Route("/myplex/claim", claim, methods=["POST"]),
    ]
    with lone.serving(Starlette(routes=routes), 32400), terminal(lone) as started:
        started.expect("nothing is shown here.: ")
        started.sendline(_TOKEN)
        assert asked.wait(60)
        try:
            told = list(seen(lone.root))
            assert [path for path, text in told if b"--config" in text], "curl is running"
            assert [path for path, text in told if _TOKEN.encode() in text] == []
        finally:
            ends.set()
        started.expect(pexpect.EOF)
        assert _TOKEN not in str(started.before)

    assert met == [_TOKEN]
    assert _TOKEN not in lone.ok("journalctl", "--no-pager")
    found = lone.run("sh", "-c", 'grep -rl "$1" /etc /root /tmp /var /run', "sh", _TOKEN)
    assert found.stdout == ""


def seen(root: Path) -> Iterator[tuple[str, bytes]]:
    """What every process on the host was started with, as others there see it."""
    for process in (root / "proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                yield f"{process.name}/{name}", (process / name).read_bytes()
            except OSError:
                continue
