"""What can go wrong between a client and the server.

ClientError
├── NotConnected           nothing can be asked now
│   ├── ConnectionLost     the connection broke while a request was under way
│   └── Refused            the server refused the handshake
├── BrokenReply            a reply is not what the server's document says
└── RequestFailed          the server answered with an error
"""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """The root of all errors of the clients."""


class NotConnected(ClientError):
    """There is no connection, and none is to be expected soon."""


class ConnectionLost(NotConnected):
    """The connection broke. A request that was under way may or may not have been served.

    `code` and `reason` are those of the close frame (RFC 6455, 7.4); 1006 if there was none.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"connection lost: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason

    @property
    def blames_client(self) -> bool:
        """Whether the server closed because of what this client sent, which should not be sent again as it was."""
        return self.code in (1002, 1003, 1007, 1008, 1009)


class Refused(NotConnected):
    """The server refused the handshake: 401 and 403 for the credential, 429 for too many connections, 503 at shutdown.

    `retry_after` is in seconds, None if the server named no time.
    """

    def __init__(self, status: int, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"the server refused the connection: {status} {detail}".rstrip())
        self.status = status
        self.detail = detail
        self.retry_after = retry_after

    @property
    def is_final(self) -> bool:
        """Whether the same attempt would be refused again, so that there is no use in repeating it."""
        return 400 <= self.status < 500 and self.status not in (408, 425, 429)


class BrokenReply(ClientError):
    """A reply lacks what the server's document promises."""


class RequestFailed(ClientError):
    """The server answered with an error.

    `code` is the machine's name of it, `message` is for people, `details` depend on the code.
    """

    def __init__(self, code: str, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = dict(details)
