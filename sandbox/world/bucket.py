"""The buckets and the application keys that somebody would have made at Backblaze by hand."""

from __future__ import annotations

from sandbox import credentials
from sandbox.b2.calls import Service
from sandbox.b2.keys import Key

# What Backblaze's page gives a key with "Read and Write" for one bucket, as far as it is known here.
_CAPABILITIES = (
    "listBuckets",
    "listFiles",
    "readFiles",
    "shareFiles",
    "writeFiles",
    "deleteFiles",
)


def prepare(service: Service) -> None:
    """Makes a bucket with its key for the media, and one for the library's backups, unless they are there."""
    for name, key_id, application_key in (
        (credentials.B2_BUCKET, credentials.B2_KEY_ID, credentials.B2_APPLICATION_KEY),
        (
            credentials.BACKUP_BUCKET,
            credentials.BACKUP_KEY_ID,
            credentials.BACKUP_APPLICATION_KEY,
        ),
    ):
        bucket = service.store.bucket_named(name) or service.store.create_bucket(name, "allPrivate")
        service.keys.put(Key(key_id, application_key, "the sandbox's", _CAPABILITIES, bucket.id))
