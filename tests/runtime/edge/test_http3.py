"""HTTP/3, where it is asked for: the same site by packets, and nothing else."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator

import pytest

from tests.runtime.edge.visits import (
    DOMAIN,
    SECURITY,
    SERVER,
    VISITOR,
    WAYS,
    Answer,
    Visitor,
    nginx,
    put,
    security,
)
from tests.runtime.lone_host import Host
from tests.runtime.upstream import Upstream

_TIMED_OUT = 28


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with nginx(tmp_path_factory.mktemp("http3"), http3=True) as running:
        yield running


def by_packets(
    on: Host, way: str, *arguments: str, name: str = DOMAIN
) -> subprocess.CompletedProcess[str]:
    """A visit by the host's own curl: this computer's may not speak HTTP/3."""
    address, server = WAYS[way]
    ending = (
        '\n%{stderr}{"status":%{http_code},"version":"%{http_version}","headers":%{header_json}}'
    )
    curl = ["curl", "-sS", "--http3-only", "--insecure", "--max-time", "15", "--interface", address]
    curl += ["--resolve", f"*:443:{server}", "-w", ending, *arguments]
    for _ in range(5):
        visit = secrets.token_hex(8)
        done = on.run(*curl, "-A", visit, f"https://{name}/identity")
        if done.returncode != _TIMED_OUT:
            break
        # On a busy computer curl 8.14 at times keeps its request to itself once the handshake is done.
        asked = [line for line in on.journal("nginx").splitlines() if visit in line]
        assert not [line for line in asked if '" 499 ' in line], "nginx did not answer"
    return done


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", ["open", "closed"])
def test_it_is_the_same_site(way: str, state: str, lone: Host, upstream: Upstream) -> None:
    put(lone, state)
    forged = ["-HX-Forwarded-For: 127.0.0.1", "-HX-Real-IP: 127.0.0.1"]

    done = by_packets(lone, way, *forged)
    assert done.returncode == 0, done.stderr
    answer = Answer(**json.loads(done.stderr), body=done.stdout[:-1])

    assert (answer.status, answer.version) == (200 if state == "open" else 503, "3")
    assert security(answer) == SECURITY
    if state == "open":
        told = answer.told()
        assert told["x-forwarded-for"] == told["x-real-ip"] == [WAYS[way][0]]
        assert told["host"] == [DOMAIN]
    else:
        assert upstream.met == []


@pytest.mark.parametrize("way", WAYS)
def test_another_name_gets_no_handshake(way: str, lone: Host, opened: Upstream) -> None:
    done = by_packets(lone, way, name="other.films.sandbox")

    assert done.returncode != 0
    assert done.stdout.strip() == ""
    assert opened.met == []


def test_visitors_are_told_of_it(lone: Host, opened: Upstream) -> None:
    answer = Visitor(lone, VISITOR, SERVER).ask("/")

    assert answer.version == "2"
    assert answer.headers["alt-svc"] == ['h3=":443"; ma=86400']


def test_the_processes_share_its_port(lone: Host) -> None:
    sockets = lone.ok("ss", "-Hlnu", "sport", "=", "443").splitlines()
    processes = lone.ok("nproc").strip()

    assert len([each for each in sockets if "0.0.0.0:443" in each]) == int(processes)
