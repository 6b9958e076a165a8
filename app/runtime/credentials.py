"""The way of a credential from the request to an `Identity`: two pure ASGI middlewares.

`CredentialMiddleware` is the outermost one. It takes the credential out of the URL before anything can log it:
uvicorn logs the path and query of every WebSocket handshake, at INFO and whatever `access_log` says.
`RequireIdentity` stands inside it (and inside CORS, whose preflights carry no credential) and judges.

Where a request presents several credentials, the first of these counts: the query's `sig`, `token`, `api_key`,
then the header `Authorization: Bearer`, then `X-API-Key`. The URL comes first because whoever made it meant it
for exactly this request, while a header may be the habit of an HTTP client or belong to somebody else, as with
the webhooks that their senders sign. A token and an API key may each stand in the other's place.
"""

from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import unquote_plus

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import Denied, InvalidCredential, MissingCredential, Unavailable
from app.runtime.auth import Authority, Credential, Identity
from app.runtime.refusal import Describe, plainly, refuse, route_path

_QUERY_NAMES = ("sig", "token", "api_key")
_SAFE_METHODS = frozenset({"GET", "HEAD"})


class CredentialMiddleware:
    """Moves the credential of each request into `scope["state"]["credential"]`, None if there is none.

    Args:
        app: what stands behind.
        placeholders: credentials that say that there is none, for clients that cannot send nothing.
    """

    def __init__(self, app: ASGIApp, *, placeholders: Collection[str] = ()) -> None:
        self._app = app
        self._placeholders = frozenset(placeholders)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the credential, then go on."""
        if scope["type"] in ("http", "websocket"):
            credential = take_credential(scope)
            if credential is not None and credential.value in self._placeholders:
                scope["state"]["credential"] = None
        await self._app(scope, receive, send)


class RequireIdentity:
    """Refuses a credential that is wrong, and with `required` also those who present none.

    HTTP is answered 401; a WebSocket is refused in its handshake, with 401 where the server has the extension for
    it and else with 403. A key store that cannot answer makes it 503.

    Args:
        app: what stands behind.
        authority: the judge.
        required: whether everybody needs a credential.
        open_paths: paths, without a proxy's prefix, where nothing is needed and nothing is judged: health
            checks, log-in, and webhooks whose senders use the header for a signature of their own. One that ends
            with a slash opens all below it.
        describe: what the answer says.
    """

    def __init__(
        self,
        app: ASGIApp,
        authority: Authority,
        *,
        required: bool,
        open_paths: Collection[str] = (),
        describe: Describe = plainly,
    ) -> None:
        self._app = app
        self._authority = authority
        self._required = required
        self._open_paths = frozenset(open_paths)
        self._open_folders = tuple(path for path in self._open_paths if path.endswith("/") and path != "/")
        self._describe = describe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge, then go on or refuse."""
        if scope["type"] not in ("http", "websocket") or self._is_open(route_path(scope)):
            await self._app(scope, receive, send)
            return
        try:
            identity = await authenticate(scope, self._authority)
            if identity is None and self._required:
                raise MissingCredential("a bearer token, an API key or a signed URL is needed")
        except (Denied, Unavailable) as error:
            await self._refuse(scope, receive, send, error)
            return
        await self._app(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, error: Denied | Unavailable) -> None:
        content = self._describe(route_path(scope), error)
        if isinstance(error, Denied):
            bearer = [(b"www-authenticate", b"Bearer")]
            await refuse(scope, receive, send, status=HTTPStatus.UNAUTHORIZED, content=content, headers=bearer)
        else:
            await refuse(scope, receive, send, status=HTTPStatus.SERVICE_UNAVAILABLE, content=content)

    def _is_open(self, path: str) -> bool:
        return path in self._open_paths or path.startswith(self._open_folders)


def take_credential(scope: Scope) -> Credential | None:
    """Move the credential of a request out of its query string, and return it.

    `scope["query_string"]` is rewritten in place: without the three names, and with every other byte as it was.
    A credential that is empty is none. Further calls return what the first one found.
    """
    state = scope.setdefault("state", {})
    if "credential" not in state:
        scope["query_string"], found = _split_query(scope.get("query_string", b""))
        state["credential"] = _choose(found) or _from_headers(scope)
    credential: Credential | None = state["credential"]
    return credential


async def authenticate(scope: Scope, authority: Authority) -> Identity | None:
    """Return who makes this request, None if nobody says so, and keep it for `identity_of`.

    A signed URL opens its path to reading alone (GET, HEAD and WebSocket).

    Raises:
        InvalidCredential: a credential is present and wrong.
        Unavailable: a key store cannot answer now.
    """
    credential = take_credential(scope)
    if credential is None:
        return None
    if credential.kind == "signature" and scope.get("method", "GET") not in _SAFE_METHODS:
        raise InvalidCredential(f"a signed URL does not allow {scope['method']}")
    identity = await authority.identify(credential, path=route_path(scope))
    scope["state"]["identity"] = identity
    return identity


def identity_of(scope: Scope) -> Identity | None:
    """Return whom `RequireIdentity` (or `authenticate`) found behind this request."""
    identity: Identity | None = scope.get("state", {}).get("identity")
    return identity


def require(scope: Scope, *, role: str | None = None) -> Identity:
    """Return who makes this request, who must be somebody, and have `role` if one is named.

    Raises:
        MissingCredential: nobody says who asks.
        Denied: the identity does not have the role.
    """
    identity = identity_of(scope)
    if identity is None:
        raise MissingCredential("a bearer token, an API key or a signed URL is needed")
    if role is not None and role not in identity.roles:
        raise Denied(f"this needs the role '{role}'")
    return identity


def _split_query(query: bytes) -> tuple[bytes, dict[str, str]]:
    if not query:
        return query, {}
    kept: list[bytes] = []
    found: dict[str, str] = {}
    for part in query.split(b"&"):
        # Decoded before it is compared, as the frameworks do: %74oken is token.
        name, _, value = part.decode("latin-1").partition("=")
        if unquote_plus(name) in _QUERY_NAMES:
            found.setdefault(unquote_plus(name), unquote_plus(value))
        else:
            kept.append(part)
    return b"&".join(kept), found


def _choose(found: dict[str, str]) -> Credential | None:
    for name in _QUERY_NAMES:
        if found.get(name):
            return Credential("signature" if name == "sig" else "token", found[name])
    return None


def _from_headers(scope: Scope) -> Credential | None:
    api_key = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            # RFC 9110, 11.1: the scheme is case-insensitive. Others, such as a proxy's Basic, are not for us.
            if scheme.lower() == "bearer" and token.strip():
                return Credential("token", token.strip())
        elif name == b"x-api-key" and value.strip():
            api_key = Credential("token", value.decode("latin-1").strip())
    return api_key
