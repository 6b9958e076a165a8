import socket
import sys
from dataclasses import dataclass

import pytest

from app.runtime.write_stall import WriteStall, acknowledged, unacknowledged
from tests.runtime.loop import Loop


@dataclass
class Transport:
    pending: int = 0
    aborted: bool = False
    connected: object = None

    def abort(self) -> None:
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.pending

    def get_extra_info(self, name: str) -> object:
        return self.connected


def watch(transport: Transport, loop: Loop) -> WriteStall:
    return WriteStall(transport, loop, 20.0, pending=lambda _: transport.pending)  # type: ignore[arg-type]


def test_peer_that_acknowledges_nothing_is_cut_off_within_a_check_of_the_timeout() -> None:
    loop, transport = Loop(), Transport(pending=100_000)
    watch(transport, loop)
    loop.pass_time(19.9)
    assert not transport.aborted
    loop.pass_time(5.0)
    assert transport.aborted
    assert not loop.timers


def test_peer_that_takes_a_little_now_and_then_stays() -> None:
    loop, transport = Loop(), Transport(pending=100_000)
    watch(transport, loop)
    for _ in range(100):
        loop.pass_time(14.0)
        transport.pending -= 1_000
    assert not transport.aborted


def test_pings_of_the_server_do_not_pass_for_progress() -> None:
    loop, transport = Loop(), Transport(pending=100_000)
    watch(transport, loop)
    for _ in range(4):
        loop.pass_time(6.0)
        transport.pending += 6
    loop.pass_time(1.0)
    assert transport.aborted


def test_peer_that_owes_nothing_is_left_alone() -> None:
    loop, transport = Loop(), Transport(pending=0)
    watch(transport, loop)
    loop.pass_time(1000.0)
    assert not transport.aborted


def test_cancelled_watch_does_nothing() -> None:
    loop, transport = Loop(), Transport(pending=1)
    watch(transport, loop).cancel()
    loop.pass_time(1000.0)
    assert not transport.aborted


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what the kernel holds")
def test_bytes_in_the_kernel_count_until_they_are_acknowledged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        served, _ = listener.accept()
        with served:
            served.setblocking(False)
            sent = served.send(bytes(10_000_000))
            transport = Transport(pending=7, connected=served)
            assert 7 < unacknowledged(transport) <= 7 + sent  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what the kernel holds")
def test_bytes_that_were_acknowledged_are_counted_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        served, _ = listener.accept()
        with served:
            transport = Transport(connected=served)
            before = acknowledged(transport)  # type: ignore[arg-type]
            served.send(bytes(1000))
            client.recv(1000, socket.MSG_WAITALL)
            served.send(bytes(1))
            client.recv(1)
            assert 1000 <= acknowledged(transport) - before <= 1001  # type: ignore[arg-type]


@pytest.mark.parametrize("is_socket", [True, False])
def test_progress_is_seen_in_the_transport_where_the_kernel_is_silent(is_socket: bool) -> None:
    left, right = socket.socketpair()
    with left, right:
        transport = Transport(pending=1000, connected=left if is_socket else None)
        before = acknowledged(transport)  # type: ignore[arg-type]
        transport.pending = 300
        assert acknowledged(transport) - before == 700  # type: ignore[arg-type]


def test_closed_socket_counts_what_the_transport_holds() -> None:
    closed = socket.socket()
    closed.close()
    assert unacknowledged(Transport(pending=7, connected=closed)) == 7  # type: ignore[arg-type]


def test_transport_without_a_socket_counts_what_it_holds() -> None:
    assert unacknowledged(Transport(pending=7)) == 7  # type: ignore[arg-type]
