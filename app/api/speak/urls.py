"""The URLs that this door gives away: each opens one thing, for a while, to whoever has it.

They are absolute, as the client reached the server: its Host, the scheme that a trusted proxy tells, and the prefix
that it strips (`root_path`).
"""

from urllib.parse import quote

from starlette.requests import HTTPConnection

from app.runtime.auth import Authority

PREFIX = "/v1/speak"


class SignedUrls:
    """Signs URLs for their account. They carry no roles, and none opens the routes that give them away."""

    def __init__(self, authority: Authority, *, socket_seconds: float, audio_seconds: float) -> None:
        """Give what is signed so many seconds; a connection that is open by then stays."""
        self._authority = authority
        self._socket_seconds = socket_seconds
        self._audio_seconds = audio_seconds

    def socket(self, asked: HTTPConnection, model: str, *, owner: str) -> str:
        """Return where a WebSocket for a model connects: `ws`, or `wss` where the request came over TLS."""
        url = self._sign(asked, f"{PREFIX}/ws/{model}", owner, self._socket_seconds)
        return f"ws{url.removeprefix('http')}"

    def audio(self, asked: HTTPConnection, take_id: str, format: str, *, owner: str) -> str:
        """Return where the audio of a take is."""
        return self._sign(asked, f"{PREFIX}/audio/{take_id}/{format}", owner, self._audio_seconds)

    def _sign(self, asked: HTTPConnection, path: str, owner: str, seconds: float) -> str:
        signature = self._authority.sign_url(path, subject=owner, expires_in=seconds)
        return f"{str(asked.base_url).rstrip('/')}{quote(path)}?sig={signature}"
