from collections.abc import Iterator
from contextlib import ExitStack

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Draining, NotFound, Overloaded, RateLimited, TooManyConnections
from app.runtime.connections import AdmissionLimits, Connection, Connections, Gate
from app.runtime.session import SERVICE_RESTART, Session, SessionLimits
from tests.fakes import VIRTUAL_TIME, FakeSocket, settle


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


class ToldSession:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def drain(self) -> None:
        self.told.append("drain")

    def close(self, code: int, reason: str) -> None:
        self.told.append((code, reason))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connections(clock: Clock) -> Connections:
    return Connections(clock=clock)


@pytest.fixture
def inside() -> Iterator[ExitStack]:
    """What enters this stays connected until the test ends."""
    with ExitStack() as stack:
        yield stack


def admit(gate: Gate, host: str = "192.0.2.1") -> None:
    """Come and go."""
    with gate.admit(host):
        pass


def test_who_is_admitted_is_counted_and_listed_until_he_goes(connections: Connections, clock: Clock) -> None:
    gate = connections.gate("/ws", AdmissionLimits())
    with gate.admit("192.0.2.1") as first:
        clock.now += 1.0
        with gate.admit("192.0.2.2") as second:
            assert (len(gate), len(connections)) == (2, 2)
            assert connections.list() == [first, second]
            assert [c.connected_at for c in connections.list()] == [1000.0, 1001.0]
    assert (len(gate), len(connections), connections.list()) == (0, 0, [])


def test_a_connection_goes_with_whatever_ends_it(connections: Connections) -> None:
    gate = connections.gate("/ws", AdmissionLimits())
    with pytest.raises(ZeroDivisionError), gate.admit("192.0.2.1"):
        raise ZeroDivisionError
    assert len(gate) == len(connections) == 0


def test_each_connection_has_its_route_client_and_own_id(connections: Connections, inside: ExitStack) -> None:
    gate = connections.gate("/ws", AdmissionLimits())
    one, two = (inside.enter_context(gate.admit("2001:db8:0:1::7")) for _ in range(2))
    assert (one.route, one.client) == ("/ws", "2001:db8:0:1::/64")
    assert one.id != two.id


def test_the_list_can_be_of_one_route(connections: Connections, inside: ExitStack) -> None:
    speech = inside.enter_context(connections.gate("/ws", AdmissionLimits()).admit("a"))
    inside.enter_context(connections.gate("/ws/echo", AdmissionLimits()).admit("a"))
    assert connections.list("/ws") == [speech]
    assert connections.list("/nowhere") == []


def test_a_route_has_only_so_many_connections(connections: Connections, inside: ExitStack) -> None:
    gate = connections.gate("/ws", AdmissionLimits(total=2))
    inside.enter_context(gate.admit("192.0.2.1"))
    with gate.admit("192.0.2.2"), pytest.raises(TooManyConnections, match="2 connections to /ws, 2 may"):
        admit(gate, "192.0.2.3")
    admit(gate, "192.0.2.3")


def test_an_address_has_only_so_many_connections(connections: Connections, inside: ExitStack) -> None:
    gate = connections.gate("/ws", AdmissionLimits(per_client=10))
    for _ in range(10):
        inside.enter_context(gate.admit("192.0.2.1"))
    with pytest.raises(TooManyConnections, match="10 connections of one client, 10 may"):
        admit(gate, "192.0.2.1")
    admit(gate, "192.0.2.2")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
    ],
)
def test_an_ipv6_customer_is_one_client(connections: Connections, first: str, second: str, same: bool) -> None:
    gate = connections.gate("/ws", AdmissionLimits(per_client=1))
    with gate.admit(first):
        if same:
            with pytest.raises(TooManyConnections):
                admit(gate, second)
        else:
            admit(gate, second)


def test_routes_count_for_themselves(connections: Connections, inside: ExitStack) -> None:
    limits = AdmissionLimits(total=1, per_client=1, attempts_per_minute=1)
    inside.enter_context(connections.gate("/ws", limits).admit("192.0.2.1"))
    admit(connections.gate("/ws/echo", limits))


def test_attempts_of_an_address_are_limited_within_a_minute(connections: Connections, clock: Clock) -> None:
    gate = connections.gate("/ws", AdmissionLimits(attempts_per_minute=2))
    admit(gate)
    clock.now += 20.0
    admit(gate)
    with pytest.raises(RateLimited, match="more than 2 attempts") as raised:
        admit(gate)
    assert raised.value.retry_after == pytest.approx(40.0)
    admit(gate, "192.0.2.2")
    assert len(gate) == 0


def test_a_refused_attempt_does_not_extend_the_window(connections: Connections, clock: Clock) -> None:
    gate = connections.gate("/ws", AdmissionLimits(attempts_per_minute=1))
    admit(gate)
    for _ in range(59):
        clock.now += 1.0
        with pytest.raises(RateLimited):
            admit(gate)
    clock.now += 1.0
    admit(gate)


def test_who_is_refused_for_too_many_connections_has_made_no_attempt(
    connections: Connections, inside: ExitStack
) -> None:
    gate = connections.gate("/ws", AdmissionLimits(per_client=1, attempts_per_minute=2))
    with gate.admit("192.0.2.1"):
        for _ in range(10):
            with pytest.raises(TooManyConnections):
                admit(gate)
    admit(gate)


@given(
    limits=st.builds(AdmissionLimits, total=st.integers(0, 4), per_client=st.integers(0, 3)),
    script=st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=40),
)
def test_law_the_counts_are_those_of_who_is_inside(limits: AdmissionLimits, script: list[tuple[bool, int]]) -> None:
    gate = Connections().gate("/ws", limits)
    inside: list[tuple[str, ExitStack]] = []
    for comes, which in script:
        host, stack = f"192.0.2.{which % 3}", ExitStack()
        own = sum(who == host for who, _ in inside)
        full = (limits.total and len(inside) >= limits.total) or (limits.per_client and own >= limits.per_client)
        try:
            if comes:
                stack.enter_context(gate.admit(host))
                assert not full
                inside.append((host, stack))
            elif inside:
                inside.pop(which % len(inside))[1].close()
        except Overloaded:
            assert full
        assert len(gate) == len(inside)
    assert set(gate._per_client) == {host for host, _ in inside}


def test_one_can_be_sent_away(connections: Connections, inside: ExitStack) -> None:
    gate = connections.gate("/ws", AdmissionLimits())
    stays, goes = (inside.enter_context(gate.admit("a")) for _ in range(2))
    stays.session, goes.session = staying, going = ToldSession(), ToldSession()
    connections.kick(goes.id, 4403, "kicked")
    assert (staying.told, going.told) == ([], [(4403, "kicked")])


def test_nobody_can_be_sent_away_who_is_not_there(connections: Connections) -> None:
    with connections.gate("/ws", AdmissionLimits()).admit("a") as gone:
        pass
    with pytest.raises(NotFound, match=gone.id):
        connections.kick(gone.id, 4403, "kicked")


def test_who_is_sent_away_during_the_handshake_goes_after_it(connections: Connections, inside: ExitStack) -> None:
    connection = inside.enter_context(connections.gate("/ws", AdmissionLimits()).admit("a"))
    connections.kick(connection.id, 4403, "kicked")
    assert connection.session is None
    connection.session = session = ToldSession()
    assert connection.session is session
    assert session.told == [(4403, "kicked")]


class Guests:
    """Connections with sessions that end when the test says so."""

    def __init__(self, connections: Connections) -> None:
        self._gate = connections.gate("/ws", AdmissionLimits())
        self._stacks: dict[str, ExitStack] = {}

    def come(self, session: ToldSession | None = None) -> Connection:
        stack = ExitStack()
        connection = stack.enter_context(self._gate.admit("a"))
        self._stacks[connection.id] = stack
        if session is not None:
            connection.session = session
        return connection

    def go(self, connection: Connection) -> None:
        self._stacks[connection.id].close()


@pytest.mark.anyio
async def test_draining_admits_nobody(connections: Connections) -> None:
    assert not connections.is_draining
    await connections.drain()
    assert connections.is_draining
    with pytest.raises(Draining):
        admit(connections.gate("/ws", AdmissionLimits()))


@pytest.mark.anyio
async def test_draining_tells_every_session_and_waits_until_all_are_gone(connections: Connections) -> None:
    guests, sessions = Guests(connections), [ToldSession(), ToldSession()]
    first, second = (guests.come(session) for session in sessions)
    drained: list[bool] = []

    async def drain() -> None:
        await connections.drain()
        drained.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(drain)
        await settle()
        assert [session.told for session in sessions] == [["drain"], ["drain"]]
        guests.go(first)
        await settle()
        assert drained == []
        guests.go(second)
    assert drained == [True]


@pytest.mark.anyio
async def test_all_who_drain_are_told_of_the_end(connections: Connections) -> None:
    guests = Guests(connections)
    guest = guests.come(ToldSession())
    async with anyio.create_task_group() as group:
        group.start_soon(connections.drain)
        group.start_soon(connections.drain)
        await settle()
        guests.go(guest)


@pytest.mark.anyio
async def test_a_session_that_begins_while_the_server_drains_is_told(connections: Connections) -> None:
    guests = Guests(connections)
    late = guests.come()
    async with anyio.create_task_group() as group:
        group.start_soon(connections.drain)
        await settle()
        late.session = session = ToldSession()
        assert session.told == ["drain"]
        guests.go(late)


@pytest.mark.anyio
async def test_cancelling_stops_the_waiting_and_not_the_draining(connections: Connections) -> None:
    guests = Guests(connections)
    guest = guests.come(ToldSession())
    with anyio.move_on_after(10) as scope:
        await connections.drain()
    assert scope.cancelled_caught
    assert connections.is_draining
    guests.go(guest)
    await connections.drain()


@pytest.mark.anyio
async def test_real_sessions_drain(connections: Connections) -> None:
    socket = FakeSocket()
    gate = connections.gate("/ws", AdmissionLimits())

    async def converse() -> None:
        with gate.admit("a") as connection:
            connection.session = session = Session(socket, SessionLimits())
            await session.run(lambda message: None)

    async with anyio.create_task_group() as group:
        group.start_soon(converse)
        await settle()
        await connections.drain()
    assert socket.closed == (SERVICE_RESTART, "server is restarting")
