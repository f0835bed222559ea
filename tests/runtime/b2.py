"""The B2 stand-in while it runs, with rclone as its client, or with calls of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from starlette.applications import Starlette

from sandbox import toolchain
from sandbox.b2.app import create_app
from sandbox.b2.calls import Service
from sandbox.b2.keys import Key
from tests.needs import missing
from tests.runtime.serving import served

PROGRAMS = {"debian": "/usr/bin/rclone", "built": str(toolchain.locations().rclone)}
READ_ONLY = ("listBuckets", "listFiles", "readFiles")
_FEW_RETRIES = ("--retries=1", "--low-level-retries=2")


def sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def installed(name: str) -> str:
    """The path of one of the rclones, which the test needs."""
    if not shutil.which(PROGRAMS[name]):
        missing(f"{PROGRAMS[name]} is not installed")
    return PROGRAMS[name]


@dataclass(frozen=True)
class Bucket:
    """A running stand-in with one bucket, `the-films`, and rclone to work on it."""

    url: str
    service: Service
    id: str
    rclone_program: str

    def rclone(
        self,
        *arguments: str,
        key: Key | None = None,
        secret: str | None = None,
        given: bytes | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs rclone as the master key, or as another; with another secret, if given."""
        return subprocess.run(
            [self.rclone_program, *arguments, *_FEW_RETRIES],
            env=self._env(key or self.service.keys.master, secret),
            input=given,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Runs rclone, which is given what is written to it."""
        return subprocess.Popen(
            [self.rclone_program, *arguments, *_FEW_RETRIES],
            env=self._env(self.service.keys.master),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _env(self, key: Key, secret: str | None = None) -> dict[str, str]:
        return {
            "RCLONE_CONFIG": "",
            "RCLONE_CONFIG_B_TYPE": "b2",
            "RCLONE_CONFIG_B_ACCOUNT": key.id,
            "RCLONE_CONFIG_B_KEY": secret or key.secret,
            "RCLONE_CONFIG_B_ENDPOINT": self.url,
        }

    def ok(self, *arguments: str, key: Key | None = None, given: bytes | None = None) -> bytes:
        done = self.rclone(*arguments, key=key, given=given)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def listed(self, *arguments: str) -> list[str]:
        """The paths of `rclone lsjson`."""
        return [str(item["Path"]) for item in json.loads(self.ok("lsjson", *arguments))]

    def key(self, *capabilities: str, prefix: str | None = None, since: int = 1) -> Key:
        """A key for this bucket only, of before version 4, which Debian's rclone does not know."""
        return self.service.keys.create("a test's", capabilities, self.id, prefix, since)


class running:  # noqa: N801 - read as a verb
    """The stand-in on a folder, again if it was there before."""

    def __init__(self, directory: Path, program: str) -> None:
        self._app: Starlette = create_app(directory)
        self._served = served(self._app)
        self._program = program

    def __enter__(self) -> Bucket:
        service: Service = self._app.state.service
        films = service.store.bucket_named("the-films") or service.store.create_bucket(
            "the-films", "allPrivate"
        )
        return Bucket(self._served.__enter__(), service, films.id, self._program)

    def __exit__(self, *_: object) -> None:
        self._served.__exit__(None, None, None)


class Native:
    """The calls that rclone does not make, or not so."""

    def __init__(self, bucket: Bucket, client: httpx.Client) -> None:
        self._client = client
        self.headers: dict[str, str] = {}
        self.become(bucket.service.keys.master)

    def become(self, key: Key) -> None:
        """Calls in the name of another key from now on."""
        answer = self.get("b2_authorize_account", auth=(key.id, key.secret))
        self.headers = {"Authorization": answer.json()["authorizationToken"]}

    def get(self, call: str, version: int = 1, **arguments: object) -> httpx.Response:
        return self._client.get(f"/b2api/v{version}/{call}", **arguments)  # type: ignore[arg-type]  # as httpx takes them

    def post(self, call: str, **body: object) -> httpx.Response:
        return self._client.post(f"/b2api/v2/{call}", json=body, headers=self.headers)

    def large_file(self, bucket_id: str, name: str, **more: object) -> str:
        """The ID of a large file that was started just now."""
        asked = {"bucketId": bucket_id, "fileName": name, "contentType": "b2/x-auto", **more}
        return str(self.post("b2_start_large_file", **asked).json()["fileId"])

    def part(
        self, file_id: str, number: int, content: bytes | Iterator[bytes], **headers: str
    ) -> httpx.Response:
        """Uploads a part, with its SHA-1 unless the headers say another."""
        url = self.post("b2_get_upload_part_url", fileId=file_id).json()
        return httpx.post(
            url["uploadUrl"],
            timeout=60,
            content=content,
            headers={
                "Authorization": url["authorizationToken"],
                "X-Bz-Part-Number": str(number),
                "X-Bz-Content-Sha1": sha1(content)
                if isinstance(content, bytes)
                else "do_not_verify",
                **headers,
            },
        )


@contextmanager
def calling(bucket: Bucket) -> Iterator[Native]:
    """As the master key, until told otherwise."""
    with httpx.Client(base_url=bucket.url, timeout=60) as client:
        yield Native(bucket, client)
