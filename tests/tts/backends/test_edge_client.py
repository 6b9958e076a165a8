"""What exceptions of edge-tts and aiohttp mean. The rest is tested with a real service, in `test_edge`."""

import json
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from edge_tts.exceptions import NoAudioReceived, SkewAdjustmentError, UnexpectedResponse, WebSocketError
from yarl import URL

from app.errors import WorkerFailed
from app.tts.backends.edge_client import Client, explain
from app.tts.backends.edge_turn import Fault, Prosody

REQUEST = aiohttp.RequestInfo(URL("https://service"), "GET", {}, URL("https://service"))  # type: ignore[arg-type]
KEY = ConnectionKey("service", 443, True, True, None, None, None)  # type: ignore[arg-type]


def answered(status: int) -> aiohttp.ClientResponseError:
    return aiohttp.WSServerHandshakeError(REQUEST, (), status=status)


@pytest.mark.parametrize(
    ("error", "fault", "status"),
    [
        (NoAudioReceived(), Fault.NO_AUDIO, None),
        (SkewAdjustmentError(), Fault.REFUSED, 403),
        (answered(403), Fault.REFUSED, 403),
        (answered(429), Fault.REFUSED, 429),
        (aiohttp.ClientHttpProxyError(REQUEST, (), status=407), Fault.UNREACHABLE, 407),
        (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), Fault.UNREACHABLE, None),
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-3, "no name")), Fault.UNREACHABLE, None),
        (aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError()), Fault.UNREACHABLE, None),
        (aiohttp.ClientProxyConnectionError(KEY, OSError(111, "refused")), Fault.UNREACHABLE, None),
        (aiohttp.SocketTimeoutError(), Fault.STALLED, None),
        (TimeoutError(), Fault.STALLED, None),
        (aiohttp.ServerDisconnectedError(), Fault.BROKEN, None),
        (ConnectionResetError(), Fault.BROKEN, None),
        (UnexpectedResponse("?"), Fault.BROKEN, None),
        (WebSocketError("?"), Fault.BROKEN, None),
        (json.JSONDecodeError("?", "", 0), Fault.BROKEN, None),
        (KeyError("Metadata"), Fault.BROKEN, None),
        (TypeError("?"), Fault.BROKEN, None),
    ],
)
def test_every_exception_is_a_fault(error: Exception, fault: Fault, status: int | None) -> None:
    failure = explain(error)
    assert (failure.fault, failure.status) == (fault, status)
    assert str(failure) and " object at " not in str(failure)


def test_a_closed_session_after_a_refusal_is_the_refusal() -> None:
    error = RuntimeError("Session is closed")
    error.__context__ = answered(403)
    assert explain(error).status == 403


def test_faults_of_ours_are_not_the_services() -> None:
    with pytest.raises(RuntimeError, match="ours"):
        explain(RuntimeError("ours"))


@pytest.mark.anyio
async def test_what_edge_tts_does_not_take_fails_alone() -> None:
    with pytest.raises(WorkerFailed, match="refuses"):
        Client().turn("hello", "no voice", Prosody())
