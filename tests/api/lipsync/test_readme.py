from pathlib import Path

import pytest

from app.api.lipsync import messages, process
from app.api.lipsync.limits import LipsyncLimits
from app.lipsync.atelier import Outcome
from app.lipsync.renderer import Limits
from app.runtime.metrics import Metrics

README = (Path(messages.__file__).parent / "README.md").read_text()


@pytest.mark.parametrize("option", process.Options.__struct_fields__)
def test_every_option_is_told(option):
    assert f"`{option}`" in README


@pytest.mark.parametrize("field", process.Process.__struct_fields__)
def test_every_field_is_told(field):
    assert f"`{field}`" in README


@pytest.mark.parametrize(
    "name", [*(name for _, name in messages.ERROR_TYPES), messages.INTERNAL, messages.TASK_RUNNING, messages.JSON]
)
def test_every_error_is_told(name):
    assert f"| `{name}` |" in README


@pytest.mark.parametrize(
    "name",
    ["process", "ping", "cancel", "connection", "progress", "stream", "result", "error", "cancelled", "info", "pong"],
)
def test_every_message_is_told(name):
    assert f"`{name}`" in README


def test_the_bounds_are_told():
    limits = LipsyncLimits()
    for most in (limits.max_audio_bytes, limits.max_image_bytes, limits.max_video_bytes):
        assert f"{most // 2**20} MiB" in README
    assert f"{messages.MAX_MESSAGE_BYTES // 2**20} MiB" in README
    assert f"{messages.INLINE_CHARACTERS // 2**10} KiB" in README
    assert f"in {Limits().timeout:.0f} s" in README


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_told(outcome):
    assert f"`{outcome}`" in README


def test_every_metric_is_told():
    names = [family.name for family in Metrics().registry.collect() if family.name.startswith("portrait")]
    assert len(names) == 7
    for name in names:
        assert f"`{name}`" in README or f"`{name}_total`" in README
