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


class StartLargeFile(Request):
    bucket_id: str
    file_name: str
    content_type: str
    file_info: dict[str, str] | None = None


class ListParts(Request):
    file_id: str
    start_part_number: int = 1
    max_part_count: int = Field(default=100, ge=1, le=1000)


class ListUnfinished(Request):
    bucket_id: str
    name_prefix: str | None = None
    start_file_id: str | None = None
    max_file_count: int = Field(default=100, ge=1, le=100)


class FinishLargeFile(Request):
    file_id: str
    part_sha1_array: list[str]


class CopyFile(Request):
    source_file_id: str
    destination_bucket_id: str | None = None
    file_name: str
    range: str | None = None
    metadata_directive: Literal["COPY", "REPLACE"] = "COPY"
    content_type: str | None = None
    file_info: dict[str, str] | None = None


class CopyPart(Request):
    source_file_id: str
    large_file_id: str
    part_number: int
    range: str | None = None
