"""Takes that nobody listens to, and their webhooks, through stops and kills of a real server."""

import re
from pathlib import Path

import pytest
from daisys.v1.speak import TakeGenerate
from daisys.v1.speak.models import Webhook

from tests.e2e.daisys_server import api, daisys_server
from tests.e2e.webhook_receiver import Receiver, webhook_receiver
from tests.eventually import eventually

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:The `json` method is deprecated"),  # the client's own
]

COUNT = 24


def text(number: int) -> str:
    """Return a text that no other take has, so that each is spoken."""
    return " ".join(f"This is sentence {n} of take {number}, and no one has listened to it yet." for n in range(40))


async def ask_for_many(folder: Path, receiver: Receiver, *, kill: bool) -> list[str]:
    """Ask for more takes than can be made before the server ends; returns their ids."""
    hook = {
        "status_webhook": Webhook(post_url=f"{receiver.url}/status"),
        "done_webhook": Webhook(post_url=f"{receiver.url}/done"),
    }
    with daisys_server(folder, receiver) as server:
        async with api(server) as speak:
            voice = next(voice for voice in await speak.get_voices() if voice.model == "espeak")
            wanted = [TakeGenerate(text=text(n), voice_id=voice.voice_id, **hook) for n in range(COUNT)]
            takes = await speak.generate_takes(wanted, wait=False)
            await eventually(lambda: any(take["status"] == "started" for take in receiver.told("/status")))
            speak.auto_logout = False
            if kill:
                server.process.kill()
            server.stop()
    return [take.take_id for take in takes]


@pytest.mark.parametrize("kill", [False, True])
async def test_every_take_is_done_once_and_says_so(tmp_path, kill):
    with webhook_receiver() as receiver:
        ids = await ask_for_many(tmp_path, receiver, kill=kill)
        done_before = len(receiver.told("/done"))
        with daisys_server(tmp_path, receiver) as server:
            async with api(server) as speak:
                takes = await speak.wait_for_takes(ids, raise_on_error=False)
                statuses = {take.take_id: take.status for take in takes}
            told = receiver.wait_for("/done", COUNT, within=60)
            cut_off = re.search(r"(\d+) were being made when the server was killed", server.log)
    assert done_before < COUNT and cut_off
    assert sorted(take["take_id"] for take in told) == sorted(ids)
    assert {take["take_id"]: take["status"] for take in told} == statuses
    failed = [status for status in statuses.values() if status != "ready"]
    assert failed == ["error"] * int(cut_off[1]) and (kill or not failed)
