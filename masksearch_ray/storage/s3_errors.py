"""What the answers of S3, and the silence of a server, mean for an object.

The texts are made here: those of clients may show a signature or a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from masksearch_ray.errors import (
    DamagedError,
    ExistsError,
    NotFoundError,
    ReadOnlyError,
    StorageError,
    TransientError,
)

__all__ = ["Answer", "answer_error", "failure", "is_credentials", "is_elsewhere"]

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_EXPIRED = "the credentials have expired; renew them"
_KEY = "the credentials are not valid: the access key is not known"
_TOKEN = "the credentials are not valid: the session token is not taken"
_CREDENTIALS = {
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "InvalidAccessKeyId": _KEY,
    "InvalidClientTokenId": _KEY,
    "InvalidToken": _TOKEN,
    "InvalidTokenId": _TOKEN,
    "RequestExpired": _EXPIRED,
    "SignatureDoesNotMatch": "the credentials are not valid: the secret key does not fit",
    "TokenRefreshRequired": _EXPIRED,
    "UnrecognizedClientException": _KEY,
}
_WHO = {**_CREDENTIALS, "RequestTimeTooSkewed": "the clock of this machine is wrong"}
_MISSING = {"NoSuchBucket": "no such bucket", "NoSuchKey": "no such object"}
_PASSING_CODES = {
    "BadDigest",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "XAmzContentSHA256Mismatch",
}
_PASSING_STATUS = {408, 409, 425, 429}
_ELSEWHERE = {"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect"}
_CODE = re.compile(rb"<Code>\s*(\w{1,60})\s*</Code>")


@dataclass(frozen=True)
class Answer:
    """How a request was refused."""

    status: int
    """Of HTTP."""
    code: str
    """S3's word for it; empty where the answer has no body."""

    @classmethod
    def of_body(cls, status: int, body: bytes) -> Answer:
        """Read the code from a body in XML."""
        found = _CODE.search(body)
        return cls(status, found[1].decode() if found else "")

    @classmethod
    def of_client_error(cls, response: Mapping[str, Any]) -> Answer:
        """Read what botocore's ClientError carries."""
        code = str(response.get("Error", {}).get("Code", ""))
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        # Where there is no body, it puts the status there.
        return cls(status, "" if code.isdigit() else code)


def is_credentials(answer: Answer) -> bool:
    """Tell whether other credentials might be taken."""
    return answer.code in _CREDENTIALS


def is_elsewhere(answer: Answer) -> bool:
    """Tell whether the bucket lies in another region than was thought."""
    return answer.status in (301, 307) or answer.code in _ELSEWHERE


def answer_error(answer: Answer, name: str, creating: bool = False) -> StorageError:
    """Error for object `name`; a failed precondition means that it exists when `creating`."""
    status, code = answer.status, answer.code
    said = f"HTTP {status}, {code}" if code else f"HTTP {status}"
    if code in _WHO:
        return StorageError(f"{_WHO[code]} ({said})", name)
    if creating and status == 412:
        return ExistsError("exists already", name)
    if creating and status == 501:
        return ReadOnlyError("its storage has no atomic create", name)
    if status == 404:
        return NotFoundError(_MISSING.get(code, "no such object or bucket"), name)
    if status in (401, 403):
        return ReadOnlyError(f"no permission ({said})", name)
    if status == 416:
        return DamagedError("a range lies beyond its end", name)
    if code in _PASSING_CODES or status in _PASSING_STATUS or (status >= 500 and status != 501):
        return TransientError(f"the server failed ({said})", name)
    return StorageError(f"the server refused ({said})", name)


_FAILURES = {
    "ConnectTimeoutError": "the server could not be reached in time",
    "ConnectionClosedError": "the connection broke",
    "EndpointConnectionError": "the server cannot be reached",
    "HTTPClientError": "the connection broke",
    "IncompleteRead": "the answer was cut short",
    "ProtocolError": "the connection broke",
    "ProxyConnectionError": "the proxy cannot be reached",
    "ReadTimeoutError": "the server fell silent",
    "ResponseParserError": "the answer makes no sense",
    "ResponseStreamingError": "the connection broke",
    "TimeoutError": "the server fell silent",
}
_LASTING = {
    "CertificateError": "its certificate is not trusted",
    "SSLError": "its certificate is not trusted, or it speaks no TLS",
}
_CHAIN = {
    "CredentialRetrievalError",
    "MetadataRetrievalError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "SSOTokenLoadError",
    "TokenRetrievalError",
    "UnauthorizedSSOTokenError",
}


def failure(error: Exception, name: str) -> StorageError:
    """Error for an object whose request got no answer."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    if kinds[0] == "NoCredentialsError":
        return StorageError(
            "no credentials: give them by the environment, a profile or a role, "
            "or the option anon=true where the bucket is public",
            name,
        )
    for kind in kinds:
        if kind in _LASTING:
            return StorageError(_LASTING[kind], name)
        if kind in _CHAIN:
            return StorageError(f"the credentials could not be loaded ({kinds[0]})", name)
        if kind in _FAILURES:
            return TransientError(f"{_FAILURES[kind]} ({kinds[0]})", name)
    if isinstance(error, OSError):
        return TransientError(f"the connection broke ({kinds[0]})", name)
    return StorageError(f"the request could not be made ({kinds[0]})", name)
