import hashlib
from collections.abc import Mapping

import pytest

from app.lipsync.networks import nota, wav2lip
from app.lipsync.networks.manifest import Entry, manifest
from app.lipsync.networks.plan import Plan


@pytest.mark.parametrize(
    ("plan", "entries", "parameters", "statistics"),
    [(wav2lip.PLAN, 352, 36_298_035, 22_802), (nota.PLAN, 156, 1_258_143, 2_990)],
)
def test_the_published_networks_have_these_sizes(plan: Plan, entries: int, parameters: int, statistics: int) -> None:
    listed = manifest(plan)
    assert len(listed) == entries
    assert sum(entry.size for entry in listed.values() if entry.is_learnt) == parameters
    assert sum(entry.size for entry in listed.values() if not entry.is_learnt) == statistics


@pytest.mark.parametrize(
    ("plan", "digest"),
    [
        (wav2lip.PLAN, "654d3d3eb15a90a14743aca03cfde5b4d02885427e7ac1c8ef9060b6ad232a3f"),
        (nota.PLAN, "ef3d61d31a5e1b5de6e05f2ca22c9beb67345af838062aacda5aa4fb8b1bdb93"),
    ],
)
def test_names_shapes_and_types_are_those_of_the_published_checkpoints(plan: Plan, digest: str) -> None:
    assert hashlib.sha256(canonical(manifest(plan)).encode()).hexdigest() == digest


def canonical(listed: Mapping[str, Entry]) -> str:
    """Write one array a line, sorted: `output_block.1.weight 3,32,1,1 float32`."""
    return "\n".join(f"{name} {','.join(map(str, e.shape))} {e.dtype}" for name, e in sorted(listed.items()))


def test_entries_read_as_checkpoints_call_them() -> None:
    listed = manifest(nota.PLAN)
    assert listed["face_decoder_blocks.2.0.conv_block.0.weight"] == Entry((256, 128, 3, 3), "float32", True)
    assert listed["audio_encoder.3.conv_block.1.running_var"] == Entry((64,), "float32", False)
    assert listed["output_block.0.conv_block.1.num_batches_tracked"] == Entry((), "int64", False)
    assert listed["output_block.1.weight"] == Entry((3, 8, 1, 1), "float32", True)
