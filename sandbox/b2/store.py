"""Buckets and file versions: their metadata in memory and on disk, their bytes on disk."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sandbox.b2 import files
from sandbox.b2.errors import B2Error


@dataclass(frozen=True)
class Bucket:
    """A bucket; `type` is allPrivate or allPublic."""

    id: str
    name: str
    type: str


@dataclass(frozen=True)
class Version:
    """One version of a file.

    `action` is upload, hide for a mark that hides the ones before, or start for a large file that is
    not finished. `sha1` is "none" of a large file.
    """

    id: str
    bucket_id: str
    name: str
    action: str
    size: int
    sha1: str | None
    content_type: str | None
    info: dict[str, str]
    uploaded: int  # milliseconds since 1970


class Store:
    """Everything under one folder: a folder for each bucket, two files for each version in it.

    A large file that is not finished has a folder in the place of the bytes, with a file for each part.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._buckets: dict[str, Bucket] = {}
        self._versions: dict[str, dict[str, list[Version]]] = {}  # newest first
        self._names: dict[str, list[str]] = {}  # sorted
        self._by_id: dict[str, Version] = {}
        self._last_time = 0
        for path in sorted(directory.glob("*/bucket.json")):
            self._load(path)

    def buckets(self) -> list[Bucket]:
        """All buckets by name."""
        return sorted(self._buckets.values(), key=lambda bucket: bucket.name)

    def bucket(self, bucket_id: str) -> Bucket:
        """Raises B2Error for a bucket that is not there."""
        if bucket_id not in self._buckets:
            raise B2Error(400, "bad_bucket_id", f"Invalid bucketId: {bucket_id}")
        return self._buckets[bucket_id]

    def bucket_named(self, name: str) -> Bucket | None:
        """Names are unique without regard to case, but found as they were written."""
        return next((b for b in self._buckets.values() if b.name == name), None)

    def create_bucket(self, name: str, bucket_type: str) -> Bucket:
        """Raises B2Error for a name that is taken."""
        if any(bucket.name.lower() == name.lower() for bucket in self._buckets.values()):
            raise B2Error(400, "duplicate_bucket_name", "Bucket name is already in use.")
        bucket = Bucket(secrets.token_hex(12), name, bucket_type)
        files.write_json(self._directory / bucket.id / "bucket.json", asdict(bucket))
        self._add_bucket(bucket)
        return bucket

    def delete_bucket(self, bucket_id: str) -> Bucket:
        """Raises B2Error for a bucket that still holds a version."""
        bucket = self.bucket(bucket_id)
        if self._names[bucket_id]:
            raise B2Error(400, "cannot_delete_non_empty_bucket", "Cannot delete non-empty bucket")
        (self._directory / bucket_id / "bucket.json").unlink()
        (self._directory / bucket_id).rmdir()
        del self._buckets[bucket_id], self._versions[bucket_id], self._names[bucket_id]
        return bucket

    def version(self, file_id: str) -> Version:
        """Raises B2Error for a version that is not there."""
        if file_id not in self._by_id:
            raise B2Error(404, "not_found", f"Invalid fileId: {file_id}")
        return self._by_id[file_id]

    def active(self, file_id: str) -> Version:
        """A large file that is not finished. Raises B2Error for anything else."""
        version = self._by_id.get(file_id)
        if version is None or version.action != "start":
            raise B2Error(400, "bad_request", f"No active upload for: {file_id}")
        return version

    def versions(self, bucket_id: str, name: str) -> list[Version]:
        """Of one file, newest first."""
        return list(self._versions[self.bucket(bucket_id).id].get(name, ()))

    def current(self, bucket_id: str, name: str) -> Version | None:
        """What the name stands for now: None where nothing is, or where it is hidden."""
        newest = self._newest(bucket_id, name)
        return newest if newest and newest.action == "upload" else None

    def names_from(self, bucket_id: str, start: str) -> Iterator[str]:
        """The bucket's file names, hidden ones too, in order, from `start` on."""
        names = self._names[self.bucket(bucket_id).id]
        for index in range(bisect_left(names, start), len(names)):
            yield names[index]

    def unfinished(self, bucket_id: str) -> list[Version]:
        """The large files that were started and neither finished nor cancelled, oldest first."""
        bucket = self.bucket(bucket_id)
        found = [v for v in self._by_id.values() if (v.bucket_id, v.action) == (bucket.id, "start")]
        return sorted(found, key=lambda version: version.uploaded)

    def content(self, version: Version) -> Path:
        """Where the bytes of an uploaded version lie."""
        return self._directory / version.bucket_id / version.id

    def parts(self, version: Version) -> Path:
        """The folder for the parts of a large file that is not finished; it may not be there yet."""
        return self._directory / version.bucket_id / f"{version.id}.parts"

    def incoming(self, bucket_id: str) -> Path:
        """A new path for bytes that are still arriving. An unfinished one is never looked at."""
        return self._directory / bucket_id / f".incoming-{secrets.token_hex(8)}"

    def upload(
        self,
        bucket_id: str,
        name: str,
        arrived: Path,
        *,
        size: int,
        sha1: str,
        content_type: str,
        info: dict[str, str],
    ) -> Version:
        """Makes what has arrived the newest version of `name`."""
        version = Version(
            *self._new_id(bucket_id), name, "upload", size, sha1, content_type, info, self.now()
        )
        arrived.replace(self.content(version))
        return self._record(version)

    def start(self, bucket_id: str, name: str, content_type: str, info: dict[str, str]) -> Version:
        """Makes a large file that is not finished, for parts to be added to."""
        new_id = self._new_id(bucket_id)
        return self._record(
            Version(*new_id, name, "start", 0, "none", content_type, info, self.now())
        )

    def finish(self, started: Version, arrived: Path, size: int) -> Version:
        """Makes what has arrived the bytes of a large file. Its age is that of its start, as in B2."""
        version = replace(started, action="upload", size=size)
        arrived.replace(self.content(version))
        self._write(version)
        versions = self._versions[version.bucket_id][version.name]
        versions[versions.index(started)] = version
        self._by_id[version.id] = version
        shutil.rmtree(self.parts(version), ignore_errors=True)
        return version

    def hide(self, bucket_id: str, name: str) -> Version:
        """Hides a file. Raises B2Error for one that is hidden already or not there."""
        newest = self._newest(bucket_id, name)
        if newest is None:
            raise B2Error(400, "no_such_file", "File not present: " + name)
        if newest.action == "hide":
            raise B2Error(400, "already_hidden", "File already hidden: " + name)
        return self._record(
            Version(*self._new_id(bucket_id), name, "hide", 0, None, None, {}, self.now())
        )

    def delete(self, file_id: str, name: str) -> Version:
        """Deletes one version for good. Raises B2Error unless ID and name belong together."""
        version = self._by_id.get(file_id)
        if version is None or version.name != name:
            raise B2Error(400, "file_not_present", f"File not present: {name} {file_id}")
        (self._directory / version.bucket_id / f"{version.id}.json").unlink()
        self.content(version).unlink(missing_ok=True)
        shutil.rmtree(self.parts(version), ignore_errors=True)
        del self._by_id[file_id]
        versions = self._versions[version.bucket_id]
        versions[name].remove(version)
        if not versions[name]:
            del versions[name]
            self._names[version.bucket_id].remove(name)
        return version

    def now(self) -> int:
        """In milliseconds since 1970. Never the same twice, since the order of versions is told by it."""
        self._last_time = max(self._last_time + 1, int(time.time() * 1000))
        return self._last_time

    def _load(self, path: Path) -> None:
        bucket = Bucket(**json.loads(path.read_text()))
        self._add_bucket(bucket)
        for left_over in path.parent.glob(".incoming-*"):
            left_over.unlink()
        loaded = [Version(**json.loads(p.read_text())) for p in path.parent.glob("4_*.json")]
        for version in sorted(loaded, key=lambda version: version.uploaded):
            self._index(version)

    def _add_bucket(self, bucket: Bucket) -> None:
        self._buckets[bucket.id] = bucket
        self._versions[bucket.id] = {}
        self._names[bucket.id] = []

    def _newest(self, bucket_id: str, name: str) -> Version | None:
        """Without the large files that are not finished: they change nothing before they are."""
        versions = self._versions[self.bucket(bucket_id).id].get(name, ())
        return next((version for version in versions if version.action != "start"), None)

    def _record(self, version: Version) -> Version:
        self._write(version)
        self._index(version)
        return version

    def _write(self, version: Version) -> None:
        path = self._directory / version.bucket_id / f"{version.id}.json"
        files.write_json(path, asdict(version))

    def _index(self, version: Version) -> None:
        versions = self._versions[version.bucket_id]
        if version.name not in versions:
            versions[version.name] = []
            insort(self._names[version.bucket_id], version.name)
        versions[version.name].insert(0, version)
        self._by_id[version.id] = version
        self._last_time = max(self._last_time, version.uploaded)

    def _new_id(self, bucket_id: str) -> tuple[str, str]:
        unique = secrets.token_hex(8)
        when = time.strftime("d%Y%m%d_m%H%M%S", time.gmtime())
        return f"4_z{self.bucket(bucket_id).id}_f{unique}_{when}_c000_v0001000_t0000", bucket_id
