import threading

import pytest

from app.lipsync.handover import Handover, Stopped


def test_things_come_out_in_their_order_however_small_the_queue():
    handover: Handover[int] = Handover(2)
    stop = threading.Event()
    thread = threading.Thread(target=lambda: [handover.put(number, stop) for number in range(100)])
    thread.start()
    assert [handover.get(stop) for _ in range(100)] == list(range(100))
    thread.join()


@pytest.mark.parametrize("waits", ["to put", "to get"])
def test_who_waits_is_stopped(waits):
    handover: Handover[int] = Handover(1)
    never, stop = threading.Event(), threading.Event()
    if waits == "to put":
        handover.put(1, never, stop)
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(Stopped):
        handover.put(2, never, stop) if waits == "to put" else handover.get(never, stop)
