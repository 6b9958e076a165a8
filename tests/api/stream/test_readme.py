import re
from pathlib import Path

import pytest

from app.api.stream import messages
from app.api.stream.limits import StreamLimits

README = (Path(messages.__file__).parent / "README.md").read_text()


@pytest.mark.parametrize(
    "text", [messages.CONNECTED, messages.INITIALIZED, messages.TERMINATED, messages.INVALID_AUDIO]
)
def test_every_fixed_message_is_told(text):
    assert f"`{text}`" in README


@pytest.mark.parametrize("code", [1000, 1008, 1009, 1011, 1012, messages.TRY_AGAIN_LATER, messages.REPLACED])
def test_every_close_code_is_told(code):
    assert f"| {code} |" in README


def test_the_defaults_are_told():
    limits = StreamLimits()
    for told in (limits.attempts_per_minute, limits.messages_per_minute):
        assert f"| {told} a minute" in README
    assert f"| {limits.bytes_per_second // 1024} KB/s" in README
    assert re.search(rf"streams of one address \| {limits.connections_per_address} \|", README)
    assert re.search(rf"\| streams \| {limits.connections} \|", README)
    assert f"| {limits.session.idle_timeout:.0f} s |" in README
