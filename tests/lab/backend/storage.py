"""The S3 bucket that documents are kept in: signed requests by AWS Signature Version 4."""

from __future__ import annotations

import hashlib
import hmac
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 5.0
ALGORITHM = "AWS4-HMAC-SHA256"


class StorageError(Exception):
    """The bucket cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Storage:
    """One bucket, by path-style addresses."""

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read KoproGo's variables.

        Raises:
            StorageError: one is missing.
        """
        names = ("S3_ENDPOINT", "S3_REGION", "S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY")
        try:
            return cls(*(environment[name] for name in names))
        except KeyError as error:
            raise StorageError(f"{error.args[0]} is required for S3 storage") from None

    def ensure_bucket(self) -> None:
        """Check the bucket, and create it if it does not exist.

        Raises:
            StorageError: S3 does not answer, or refuses.
        """
        status = self._ask("HEAD")
        if status == HTTPStatus.NOT_FOUND:
            status = self._ask("PUT")
        if status != HTTPStatus.OK:
            raise StorageError(f"Failed to verify bucket `{self.bucket}`: HTTP {status}")

    def holds(self, key: str) -> bool:
        """Whether an object is in the bucket."""
        return self._ask("HEAD", key) == HTTPStatus.OK

    def put(self, key: str, data: bytes) -> None:
        """Store an object.

        Raises:
            StorageError: S3 does not answer, or refuses.
        """
        status = self._ask("PUT", key, data)
        if status != HTTPStatus.OK:
            raise StorageError(f"Failed to upload object `{key}`: HTTP {status}")

    def _ask(self, method: str, key: str = "", data: bytes = b"") -> int:
        place = urlsplit(self.endpoint)
        path = f"/{self.bucket}/{key}" if key else f"/{self.bucket}"
        headers = self._signed(method, place.netloc, path, data)
        connection = http.client.HTTPConnection(place.netloc, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, data, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise StorageError(f"Failed to reach bucket `{self.bucket}`: {error!r}") from None
        finally:
            connection.close()

    def _signed(self, method: str, host: str, path: str, data: bytes) -> dict[str, str]:
        """Headers with a signature (Signature Version 4 signing process, AWS General Reference)."""
        now = datetime.now(UTC)
        instant, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        digest = hashlib.sha256(data).hexdigest()
        headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": instant}
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        request = f"{method}\n{path}\n\n{lines}\n{names}\n{digest}"
        scope = f"{day}/{self.region}/s3/aws4_request"
        hashed = hashlib.sha256(request.encode()).hexdigest()
        key = f"AWS4{self.secret_key}".encode()
        for part in scope.split("/"):
            key = _mac(key, part)
        signature = _mac(key, f"{ALGORITHM}\n{instant}\n{scope}\n{hashed}").hex()
        credential = f"Credential={self.access_key}/{scope}"
        value = f"{ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}"
        return {**headers, "Authorization": value}


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
