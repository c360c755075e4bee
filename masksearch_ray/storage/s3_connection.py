"""Requests to one bucket: botocore signs them and reads answers, urllib3 carries bytes.

Most of what botocore spends on a small GET is preparing and signing it. One signature serves all
ranges that are read at once, as the range is no part of what is signed.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from masksearch_ray.errors import DamagedError, StorageError, TransientError
from masksearch_ray.storage.options import StorageOptions
from masksearch_ray.storage.s3_client import CONNECTIONS, S3Settings, make_client
from masksearch_ray.storage.s3_errors import (
    Answer,
    answer_error,
    failure,
    is_credentials,
    is_elsewhere,
)

__all__ = ["Body", "S3Connection", "SignedGet"]

# A body may come slowly, but not slower than this, after a moment's grace.
_GRACE_SECONDS = 10.0
_BYTES_PER_SECOND = 64 * 1024

_CHUNK = 1024 * 1024
_LONGEST_ERROR = 64 * 1024


@dataclass(frozen=True, eq=False)
class _Made:
    """A client, and what belongs to it."""

    client: Any
    http: Any
    credentials: tuple[str, ...]
    """Those it started with, to be compared, never shown."""
    capture: threading.local

    def __repr__(self) -> str:
        return "_Made(…)"


@dataclass(frozen=True, eq=False)
class SignedGet:
    """A request for an object, which may be sent several times for several ranges."""

    key: str
    """Full key in the bucket."""
    name: str
    """URL, for errors."""
    made: _Made
    url: str
    headers: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"SignedGet({self.name})"


class Body:
    """The body of an answer, read so that neither silence nor drops hold it up for long.

    Parameters
    ----------
    response : AWSResponse
    name : str
        URL of the object, for errors.
    """

    def __init__(self, response: Any, name: str) -> None:
        self._raw = response.raw
        self._name = name
        self.status: int = response.status_code
        self.etag = str(response.headers.get("ETag", ""))
        self.size = int(response.headers.get("Content-Length", -1))

    def read_into(self, view: memoryview, stop: threading.Event) -> None:
        """Fill `view` with the next bytes; where that fails the connection is closed.

        Raises
        ------
        TransientError
            If fewer come, or they come too slowly, or nobody waits for them any more.
        """
        try:
            self._fill(view, stop)
        except StorageError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise failure(error, self._name) from None

    def _fill(self, view: memoryview, stop: threading.Event) -> None:
        began, got = time.monotonic(), 0
        while got < len(view):
            chunk = self._raw.read1(min(_CHUNK, len(view) - got))
            if not chunk:
                raise TransientError(f"{got} of {len(view)} bytes came", self._name)
            view[got : got + len(chunk)] = chunk
            got += len(chunk)
            spent = time.monotonic() - began
            if spent > _GRACE_SECONDS + got / _BYTES_PER_SECOND:
                raise TransientError(f"only {got} bytes came in {spent:.0f} s", self._name)
            if stop.is_set():
                raise TransientError("nobody waits for it any more", self._name)

    def read_all(self, stop: threading.Event) -> bytes:
        """Read a body that does not say how long it is."""
        found = bytearray()
        try:
            while (chunk := self._raw.read1(_CHUNK)) and not stop.is_set():
                found += chunk
        except Exception as error:
            raise failure(error, self._name) from None
        finally:
            self.close()
        return bytes(found)

    def finish(self) -> None:
        """Give the connection back: the whole body was read."""
        self._raw.drain_conn()
        self._raw.release_conn()

    def close(self) -> None:
        """Close the connection, as not all was read."""
        self._raw.close()

    def error_code(self, stop: threading.Event) -> bytes:
        """Read what a refusal says of itself."""
        size = min(_LONGEST_ERROR, self.size) if self.size >= 0 else 0
        text = bytearray(size)
        self.read_into(memoryview(text), stop)
        self._raw.release_conn() if size == self.size else self.close()
        return bytes(text)


class S3Connection:
    """Sends requests to one bucket; every failure is an error of ours that names the object.

    Parameters
    ----------
    bucket : str
    url : str
        Of the storage, for errors.
    options : StorageOptions
        As users gave them.
    """

    def __init__(self, bucket: str, url: str, options: StorageOptions) -> None:
        self.settings = S3Settings.of(options, url)
        self._bucket = bucket
        self._url = url
        self._options = options
        self._lock = threading.Lock()
        self._made: _Made | None = None

    def ask(self, operation: str, name: str, creating: bool = False, **asked: Any) -> Any:
        """Make one request through botocore and return its answer.

        Parameters
        ----------
        operation : str
            Method of botocore's client.
        name : str
            URL of the object, for errors.
        creating : bool
            Whether a failed precondition means that the object exists.
        """
        made = self._current(name)
        answer = self._request(made, operation, name, asked)
        if isinstance(answer, Answer) and is_credentials(answer) and self._renew(made, name):
            answer = self._request(self._current(name), operation, name, asked)
        if isinstance(answer, Answer):
            raise answer_error(answer, name, creating)
        return answer

    def sign(self, key: str, name: str) -> SignedGet:
        """Prepare reading an object."""
        made = self._current(name)
        made.capture.wanted = True
        try:
            self._request(made, "get_object", name, {"Key": key})
            request = made.capture.request
        finally:
            made.capture.wanted, made.capture.request = False, None
        return SignedGet(key, name, made, request.url, dict(request.headers))

    def open(self, signed: SignedGet, span: tuple[int, int] | None, stop: threading.Event) -> Body:
        """Send a signed request, for a half-open range of bytes or for the whole.

        Raises
        ------
        DamagedError
            If the object does not hold the whole range.
        """
        answer = self._send(signed, span, stop)
        if isinstance(answer, Answer) and self._cured(signed, answer):
            signed = self.sign(signed.key, signed.name)
            answer = self._send(signed, span, stop)
        if isinstance(answer, Answer):
            raise answer_error(answer, signed.name)
        if span is not None and (answer.status != 206 or answer.size > span[1] - span[0]):
            answer.close()
            raise StorageError("the server does not read ranges", signed.name)
        if span is not None and 0 <= answer.size < span[1] - span[0]:
            answer.close()
            raise DamagedError(f"bytes {span[0]}:{span[1]} lie beyond its end", signed.name)
        return answer

    def _send(
        self, signed: SignedGet, span: tuple[int, int] | None, stop: threading.Event
    ) -> Body | Answer:
        from botocore.awsrequest import AWSPreparedRequest

        headers = dict(signed.headers)
        if span is not None:
            headers["Range"] = f"bytes={span[0]}-{span[1] - 1}"
        request = AWSPreparedRequest("GET", signed.url, headers, None, stream_output=True)
        try:
            body = Body(signed.made.http.send(request), signed.name)
        except Exception as error:
            raise failure(error, signed.name) from None
        if body.status in (200, 206):
            return body
        return Answer.of_body(body.status, body.error_code(stop))

    def _cured(self, signed: SignedGet, answer: Answer) -> bool:
        if is_elsewhere(answer):
            # botocore finds out where the bucket is, and remembers.
            self.ask("head_bucket", signed.name)
            return True
        return is_credentials(answer) and self._renew(signed.made, signed.name)

    def _request(
        self, made: _Made, operation: str, name: str, asked: Mapping[str, Any]
    ) -> dict[str, Any] | Answer:
        from botocore.exceptions import ClientError

        common = {} if operation in ("head_bucket",) else self.settings.reading
        try:
            call = getattr(made.client, operation)
            found: dict[str, Any] = call(Bucket=self._bucket, **common, **asked)
            return found
        except ClientError as error:
            return Answer.of_client_error(error.response)
        except Exception as error:
            raise failure(error, name) from None

    def _current(self, name: str) -> _Made:
        with self._lock:
            if self._made is None:
                self._made = self._make(name)
            return self._made

    def _renew(self, made: _Made, name: str) -> bool:
        """Ask the chain of credentials anew; tell whether it gave others."""
        if self.settings.given:
            return False
        with self._lock:
            if self._made is made:
                new = self._make(name)
                if new.credentials == made.credentials:
                    return False
                self._made = new
            return True

    def _make(self, name: str) -> _Made:
        from botocore.httpsession import URLLib3Session
        from botocore.utils import get_environ_proxies

        session, client = make_client(self.settings, self._url, self._options)
        verify, config = self.settings.verify, self.settings.config
        if verify is None:
            verify = session.get_config_variable("ca_bundle") or True
        http = URLLib3Session(
            verify=verify,
            proxies=config.get("proxies") or get_environ_proxies(client.meta.endpoint_url),
            timeout=(config["connect_timeout"], config["read_timeout"]),
            max_pool_connections=CONNECTIONS,
            client_cert=config.get("client_cert"),
            proxies_config=config.get("proxies_config"),
        )
        capture = threading.local()
        client.meta.events.register("before-send.s3.GetObject", _Capturer(capture))
        try:
            found = None if self.settings.given else session.get_credentials()
            credentials = tuple(found.get_frozen_credentials()) if found else ()
        except Exception as error:
            raise failure(error, name) from None
        return _Made(client, http, credentials, capture)


class _Capturer:
    """Keeps a signed request in place of sending it, where the calling thread wants that."""

    def __init__(self, capture: threading.local) -> None:
        self._capture = capture

    def __call__(self, request: Any, **rest: Any) -> Any:
        from botocore.awsrequest import AWSResponse

        if not getattr(self._capture, "wanted", False):
            return None
        self._capture.request = request
        return AWSResponse(request.url, 200, {}, io.BytesIO())
