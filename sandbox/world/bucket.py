"""The bucket and the application key that somebody would have made at Backblaze by hand."""

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
    """Makes both, unless they are there."""
    store = service.store
    bucket = store.bucket_named(credentials.B2_BUCKET) or store.create_bucket(
        credentials.B2_BUCKET, "allPrivate"
    )
    service.keys.put(
        Key(
            credentials.B2_KEY_ID,
            credentials.B2_APPLICATION_KEY,
            "the sandbox's",
            _CAPABILITIES,
            bucket.id,
        )
    )
