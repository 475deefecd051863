"""Page and resume tokens: opaque, and good only for the list that gave them (AIP-158).

A token is base64url of: version, digest of what the list was asked for, checksum, cursor. The
checksum finds damage and typing errors; a token grants nothing, so it need not be a secret.
"""

import base64
import binascii
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b

from tickwheel.server.api.errors import invalid
from tickwheel.server.domain.errors import InvalidInput
from tickwheel.v1 import errors_pb2

_VERSION = 1
_SCOPE_SIZE = 8
_SUM_SIZE = 6
_HEAD = 1 + _SCOPE_SIZE + _SUM_SIZE


@dataclass(frozen=True, slots=True)
class TokenScope:
    """What a token belongs to: the kind of list, its parent, its filter."""

    kind: str
    parent: str
    filter: str
    field: str = "pageToken"
    reason: "errors_pb2.ErrorReason" = errors_pb2.PAGE_TOKEN_INVALID

    def encode(self, cursor: bytes) -> str:
        """The token for a cursor."""
        scope = self._digest()
        return (
            base64.urlsafe_b64encode(bytes([_VERSION]) + scope + _checksum(scope, cursor) + cursor)
            .decode()
            .rstrip("=")
        )

    def decode(self, token: str) -> bytes:
        """The cursor in a token; empty for an empty token.

        Raises:
            InvalidInput: it is not a token, or belongs to another list, parent or filter.
        """
        if not token:
            return b""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.refused("is not a token that this server gave") from error
        scope, cursor = raw[1 : 1 + _SCOPE_SIZE], raw[_HEAD:]
        if raw[:1] != bytes([_VERSION]) or raw[1 + _SCOPE_SIZE : _HEAD] != _checksum(scope, cursor):
            raise self.refused("is not a token that this server gave")
        if scope != self._digest():
            raise self.refused("belongs to another list: what is asked for has to stay the same")
        return cursor

    def refused(self, why: str) -> InvalidInput:
        """The error for a token of this scope."""
        return invalid(self.reason, self.field, why)

    @contextmanager
    def refusing(self, token: str) -> Generator[None]:
        """Inside, a ValueError means that the token's cursor is none of who is to go on from it."""
        try:
            yield
        except ValueError as error:
            if not token:
                raise
            raise self.refused("is not a token that this server gave") from error

    def _digest(self) -> bytes:
        text = "\0".join((self.kind, self.parent, self.filter))
        return blake2b(text.encode(), digest_size=_SCOPE_SIZE).digest()


def _checksum(scope: bytes, cursor: bytes) -> bytes:
    return blake2b(scope + cursor, digest_size=_SUM_SIZE, person=b"page-token").digest()
