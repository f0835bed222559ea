"""What the calls take, by B2's names in camel case."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Request(BaseModel):
    # Real clients send more than is read here: retention, encryption, lifecycle rules.
    model_config = ConfigDict(extra="ignore", alias_generator=to_camel)


class ListBuckets(Request):
    account_id: str
    bucket_id: str | None = None
    bucket_name: str | None = None


class CreateBucket(Request):
    account_id: str
    bucket_name: str = Field(pattern="^[A-Za-z0-9-]{6,63}$")
    bucket_type: Literal["allPrivate", "allPublic"]


class BucketOnly(Request):
    bucket_id: str


class ListNames(Request):
    bucket_id: str
    start_file_name: str | None = None
    start_file_id: str | None = None
    max_file_count: int = Field(default=100, ge=1, le=10000)
    prefix: str | None = None
    delimiter: str | None = None


class FileOnly(Request):
    file_id: str


class HideFile(Request):
    bucket_id: str
    file_name: str


class DeleteVersion(Request):
    file_id: str
    file_name: str


class ShareFiles(Request):
    bucket_id: str
    file_name_prefix: str
    valid_duration_in_seconds: int = Field(ge=1, le=604800)


class CreateKey(Request):
    account_id: str
    capabilities: list[str] = Field(min_length=1)
    key_name: str
    bucket_id: str | None = None
    name_prefix: str | None = None


class DeleteKey(Request):
    application_key_id: str
