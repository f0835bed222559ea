"""The B2 stand-in behind a link, and its counts, with rclone as the client."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sandbox import toolchain
from sandbox.b2.app import create_app
from sandbox.b2.counters import Counted, Counts
from sandbox.b2.link import Link, Linked
from tests.runtime.media import await_true
from tests.runtime.serving import served

_CONTENT = os.urandom(3_000_000)


@dataclass
class Bucket:
    """The stand-in with one file, `film`, and what may be changed of its link."""

    url: str
    linked: Linked
    counted: Counted
    config: Path

    def rclone(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                str(toolchain.locations().rclone),
                *arguments,
                "--config",
                str(self.config),
                "--retries=1",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ok(self, *arguments: str) -> bytes:
        with self.rclone(*arguments) as process:
            out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error.decode()
        return out

    def counts(self) -> Counts:
        counts, self.counted.counts = self.counted.counts, Counts()
        return counts


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    app = create_app(tmp_path / "b2")
    store, master = app.state.service.store, app.state.service.keys.master
    bucket_id = store.create_bucket("the-films", "allPrivate").id
    arrived = store.incoming(bucket_id)
    arrived.write_bytes(_CONTENT)
    sha1 = hashlib.sha1(_CONTENT, usedforsecurity=False).hexdigest()
    store.upload(
        bucket_id, "film", arrived, size=len(_CONTENT), sha1=sha1, content_type="video/mp4", info={}
    )
    linked = Linked(app)
    counted = Counted(linked)
    with served(counted) as url:
        config = tmp_path / "rclone.conf"
        config.write_text(
            f"[b]\ntype = b2\naccount = {master.id}\nkey = {master.secret}\nendpoint = {url}\n"
        )
        yield Bucket(url, linked, counted, config)


def test_what_is_billed_is_counted(bucket: Bucket) -> None:
    bucket.ok("lsf", "b:the-films")
    counts = bucket.counts()
    assert counts.calls["b2_list_file_names"] == 1
    assert (counts.of_class("B"), counts.sent < 10_000) == (0, True)
    assert counts.of_class("C") == sum(counts.calls.values())

    bucket.ok("cat", "b:the-films/film")
    counts = bucket.counts()
    assert counts.of_class("B") == 2  # whether it is there, and the file itself
    assert len(_CONTENT) <= counts.sent < len(_CONTENT) + 10_000

    bucket.ok("copyto", "/etc/hostname", "b:the-films/name")
    assert bucket.counts().of_class("A") == 2  # where to send it, and sending it


def test_a_call_that_is_refused_is_not_counted(bucket: Bucket) -> None:
    refused = httpx.get(f"{bucket.url}/b2api/v1/b2_list_buckets", timeout=60)
    assert refused.status_code == 401
    assert sum(bucket.counts().calls.values()) == 0


def test_an_answer_takes_as_long_as_the_link_makes_it(bucket: Bucket) -> None:
    bucket.linked.link = Link(latency=0.3, stream=2_000_000)
    began = time.monotonic()
    assert bucket.ok("cat", "b:the-films/film") == _CONTENT
    # Two answers at least, and three megabytes at two a second; how much longer is up to the computer.
    assert time.monotonic() - began > 2 * 0.3 + 1.4


def test_all_answers_share_the_link(bucket: Bucket) -> None:
    bucket.linked.link = Link(stream=100_000_000, all=3_000_000)
    began = time.monotonic()
    readers = [bucket.rclone("cat", "b:the-films/film") for _ in range(2)]
    assert [reader.communicate(timeout=60)[0] == _CONTENT for reader in readers] == [True, True]
    assert time.monotonic() - began > 1.8


def test_nothing_is_sent_to_one_who_has_gone(bucket: Bucket) -> None:
    bucket.linked.link = Link(stream=500_000)
    path = bucket.ok("link", "b:the-films/film").decode().strip()
    bucket.counts()
    with httpx.stream("GET", path, timeout=60) as answer:
        next(answer.iter_bytes())
    # As long as what is left of it would take.
    assert httpx.get(path, timeout=60).content == _CONTENT
    assert bucket.counts().sent < 2 * len(_CONTENT)


@pytest.mark.parametrize("outage", ["cut", "503"])
def test_an_outage_that_ends(bucket: Bucket, tmp_path: Path, outage: str) -> None:
    bucket.linked.link = Link(stream=100_000)
    copied = tmp_path / "copied"
    with bucket.rclone("copyto", "b:the-films/film", str(copied), "--inplace") as reader:
        await_true(lambda: copied.exists() and copied.stat().st_size)
        bucket.linked.outage = "cut" if outage == "cut" else "503"
        bucket.linked.link = Link()
        threading.Timer(1, setattr, (bucket.linked, "outage", None)).start()
        _, error = reader.communicate(timeout=60)
    assert copied.read_bytes() == _CONTENT, error
    assert bucket.counts().of_class("B") > 2


def test_who_asks_while_it_hangs_is_never_answered(bucket: Bucket) -> None:
    bucket.linked.outage = "hanging"
    address = httpx.URL(bucket.url)
    with socket.create_connection((address.host, address.port or 80)) as asker:
        asker.sendall(b"GET /b2api/v1/b2_list_buckets HTTP/1.1\r\nHost: b2\r\n\r\n")
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{bucket.url}/b2api/v1/b2_list_buckets", timeout=1)
        await_true(lambda: len(bucket.linked._broken) == 2)  # both have been met
        bucket.linked.outage = None
        assert (
            json.loads(httpx.get(f"{bucket.url}/b2api/v1/b2_list_buckets", timeout=60).content)[
                "status"
            ]
            == 401
        )
        asker.settimeout(1)
        with pytest.raises(TimeoutError):
            asker.recv(1)
