"""How middlewares answer a request that no door has seen yet: the status is theirs, the words are the door's."""

import json
from collections.abc import Callable, Mapping, Sequence

from starlette.types import Receive, Scope, Send

from app.errors import ChorusError

Describe = Callable[[str, ChorusError], Mapping[str, object]]
"""From the path, as the router sees it, and the error to the content of the answer, for JSON."""


def plainly(path: str, error: ChorusError) -> Mapping[str, object]:
    """Return `{"detail": ...}`, whatever the path."""
    return {"detail": str(error)}


def route_path(scope: Scope) -> str:
    """Return the path as the router sees it: without the prefix that a proxy strips (`root_path`)."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(f"{root}/"):
        return path[len(root) :]
    return path


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    status: int,
    content: Mapping[str, object],
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Answer a request, or a WebSocket's handshake; without the extension for it, a handshake is refused with 403."""
    prefix = "http"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        prefix = "websocket.http"
    body = json.dumps(content).encode()
    sized = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": f"{prefix}.response.start", "status": status, "headers": [*sized, *headers]})
    await send({"type": f"{prefix}.response.body", "body": body})
