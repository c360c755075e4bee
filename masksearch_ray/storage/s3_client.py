"""From the options that users give to a client of S3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from masksearch_ray.errors import InputError
from masksearch_ray.storage.options import StorageOptions, redact

__all__ = ["S3Settings", "make_client"]

# As s3fs names them, which users know, and what it calls them otherwise.
_OTHER_NAMES = {"username": "key", "password": "secret", "region_name": "region"}
_ACCEPTED = (
    "anon",
    "client_kwargs",
    "config_kwargs",
    "endpoint_url",
    "key",
    "profile",
    "region",
    "requester_pays",
    "s3_additional_kwargs",
    "secret",
    "token",
    "use_ssl",
)

CONNECTIONS = 32
"""Requests that one storage has on the way at once."""

# One layer retries: RetryingStorage. Objects carry checksums of their own, and not every store
# understands those that AWS added.
_CONFIG = {
    "connect_timeout": 5,
    "read_timeout": 10,
    "max_pool_connections": CONNECTIONS,
    "tcp_keepalive": True,
    "retries": {"total_max_attempts": 1},
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


@dataclass(frozen=True)
class S3Settings:
    """What a client is made from, and what it is asked for with every request."""

    session: Mapping[str, Any]
    """Profile, for botocore's session."""
    client: Mapping[str, Any]
    """Arguments of ``create_client``."""
    config: Mapping[str, Any]
    """Arguments of botocore's ``Config``."""
    reading: Mapping[str, Any]
    """Added to every request."""
    writing: Mapping[str, Any]
    """Added to those that make an object, besides `reading`."""
    given: bool
    """Whether the options name the credentials, so that no chain is asked."""

    @classmethod
    def of(cls, options: Mapping[str, Any], url: str) -> S3Settings:
        """Read the options; InputError if one is not known."""
        named = {_OTHER_NAMES.get(name, name): value for name, value in options.items()}
        unknown = sorted(set(named) - set(_ACCEPTED))
        if unknown:
            raise InputError(
                f"{url}: its client does not take the option {unknown[0]!r}; "
                f"accepted: {', '.join(_ACCEPTED)}"
            )
        client = _client_arguments(named, url)
        config = {**_CONFIG, **_mapping(named, "config_kwargs", url)}
        if named.get("anon"):
            from botocore import UNSIGNED

            config["signature_version"] = UNSIGNED
        return cls(
            {"profile": str(named["profile"])} if named.get("profile") else {},
            client,
            config,
            {"RequestPayer": "requester"} if named.get("requester_pays") else {},
            _mapping(named, "s3_additional_kwargs", url),
            bool(named.get("anon")) or "aws_access_key_id" in client,
        )

    @property
    def verify(self) -> Any:
        """How certificates are checked, where an option says so."""
        return self.client.get("verify")


def make_client(settings: S3Settings, url: str, options: StorageOptions) -> tuple[Any, Any]:
    """Make a session of botocore and its client, with credentials from the usual chain.

    Raises
    ------
    InputError
        If they do not take the options.
    """
    # Here, for it takes a while, and folders do not need it.
    import botocore.exceptions
    import botocore.session
    from botocore.config import Config

    try:
        # A session of its own, for those of several threads would share what they load.
        session = botocore.session.Session(**settings.session)
        session.register_component("data_loader", _loader())
        client = session.create_client("s3", config=Config(**settings.config), **settings.client)
        return session, client
    except (botocore.exceptions.BotoCoreError, TypeError, ValueError) as error:
        text = redact(str(error), options.secrets)
        raise InputError(f"{url}: its client does not take these options: {text}") from None


@cache
def _loader() -> Any:
    """Descriptions of services, of which a session's own would take 0.1 s to read."""
    import botocore.loaders

    return botocore.loaders.create_loader()


def _client_arguments(named: Mapping[str, Any], url: str) -> dict[str, Any]:
    arguments = _mapping(named, "client_kwargs", url)
    if named.get("use_ssl") is not None:
        arguments["use_ssl"] = bool(named["use_ssl"])
    names = {
        "endpoint_url": "endpoint_url",
        "region": "region_name",
        "key": "aws_access_key_id",
        "secret": "aws_secret_access_key",
        "token": "aws_session_token",
    }
    for name, argument in names.items():
        if named.get(name) is not None:
            arguments[argument] = str(named[name])
    if ("aws_access_key_id" in arguments) != ("aws_secret_access_key" in arguments):
        raise InputError(f"{url}: key and secret are given together or not at all")
    return arguments


def _mapping(named: Mapping[str, Any], name: str, url: str) -> dict[str, Any]:
    value = named.get(name) or {}
    if not isinstance(value, Mapping):
        raise InputError(f"{url}: the option {name!r} must be a mapping")
    return dict(value)
