"""Tiny models of our own making that the real piper and kokoro-onnx load: each token becomes a short tone.

The models hold arithmetic and no trained weight: 2 kB instead of 60 MB.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HOP = 256
"""Samples of one frame of piper's."""
FRAMES = 2
"""Of each phoneme id at length scale 1: 23 ms at 22,050 Hz, and as much for the pause after it."""

ALPHABET = (
    "_^$ !'(),-.:;?abcdefghijklmnopqrstuvwxyzæçðøħŋœɐɑɒɓɔɕɖɗɘəɚɛɜɞɟɠɡɢɣɤɥɦɧ"
    'ɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛʜʝʟʡʢˈˌːˑ˞βθχᵻ0123456789ʰˤε↓#"↑ʲ'
)


def write_piper_voice(
    folder: Path,
    name: str = "en_US-tiny-medium",
    *,
    espeak_voice: str = "en-us",
    sample_rate: int = 22050,
    speakers: int = 1,
    aligned: bool = True,
) -> Path:
    """Write a voice; `aligned` gives its model the node by which piper finds the times of phonemes."""
    onnx = pytest.importorskip("onnx", reason="making a tiny voice needs the package onnx")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    path.write_bytes(_piper_model(onnx, speakers=speakers, aligned=aligned, sample_rate=sample_rate))
    config = piper_config(espeak_voice=espeak_voice, sample_rate=sample_rate, speakers=speakers)
    path.with_name(f"{path.name}.json").write_text(json.dumps(config), "utf-8")
    return path


def piper_config(*, espeak_voice: str = "en-us", sample_rate: int = 22050, speakers: int = 1) -> dict[str, Any]:
    return {
        "audio": {"sample_rate": sample_rate, "quality": "medium"},
        "espeak": {"voice": espeak_voice},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_id_map": {symbol: [number] for number, symbol in enumerate(ALPHABET)},
        "num_symbols": len(ALPHABET),
        "num_speakers": speakers,
        "speaker_id_map": {f"p{number}": number for number in range(speakers)} if speakers > 1 else {},
        "hop_length": HOP,
    }


def _piper_model(onnx: Any, *, speakers: int, aligned: bool, sample_rate: int) -> bytes:
    """Each id sounds for ceil(FRAMES · scale) frames; its tone rises with the id, and with the speaker's number."""
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Gather", ["scales", "one_index"], ["scale"]),
        helper.make_node("Cast", ["input"], ["ids"], to=kinds.FLOAT),
        helper.make_node("Mul", ["ids", "zero"], ["zeros"]),
        helper.make_node("Mul", ["scale", "frames"], ["length"]),
        helper.make_node("Add", ["zeros", "length"], ["lengths"]),
        helper.make_node("Ceil" if aligned else "Floor", ["lengths"], ["whole_lengths"]),
        helper.make_node("ReduceMax", ["whole_lengths"], ["longest"], keepdims=0),
        helper.make_node("Mul", ["longest", "hop"], ["samples_each"]),
        helper.make_node("Range", ["zero", "samples_each", "one"], ["clock"]),
        helper.make_node("Squeeze", ["ids", "first_axis"], ["row"]),
        helper.make_node("Unsqueeze", ["row", "last_axis"], ["column"]),
        helper.make_node("Mul", ["column", "step"], ["rise"]),
        helper.make_node("Add", ["rise", "base"], ["low_tone"]),
    ]
    inputs = [("input", kinds.INT64, [1, None]), ("input_lengths", kinds.INT64, [1]), ("scales", kinds.FLOAT, [3])]
    if speakers > 1:
        inputs.append(("sid", kinds.INT64, [1]))
        nodes += [
            helper.make_node("Cast", ["sid"], ["speaker"], to=kinds.FLOAT),
            helper.make_node("Add", ["speaker", "one"], ["octaves"]),
            helper.make_node("Mul", ["low_tone", "octaves"], ["tone"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["low_tone"], ["tone"]))
    nodes += [
        helper.make_node("Mul", ["tone", "clock"], ["phase"]),
        helper.make_node("Sin", ["phase"], ["wave"]),
        helper.make_node("Mul", ["wave", "half"], ["quiet"]),
        helper.make_node("Reshape", ["quiet", "flat"], ["output"]),
    ]
    constants = {
        "zero": np.float32(0),
        "one": np.float32(1),
        "half": np.float32(0.5),
        "frames": np.float32(FRAMES),
        "hop": np.float32(HOP),
        "base": np.float32(2 * np.pi * 200 / sample_rate),
        "step": np.float32(2 * np.pi * 5 / sample_rate),
        "one_index": np.array(1, np.int64),
        "first_axis": np.array([0], np.int64),
        "last_axis": np.array([1], np.int64),
        "flat": np.array([1, 1, 1, -1], np.int64),
    }
    return _model(onnx, nodes, inputs, [("output", kinds.FLOAT, [1, 1, 1, None])], constants)


def write_kokoro(
    folder: Path,
    voices: tuple[str, ...] = ("af_bella", "af_sky", "am_adam", "bf_emma", "zf_xiaobei", "jf_alpha"),
    *,
    timed: bool = False,
) -> Path:
    """Write a model and its voices; the mean of a voice's style is its tone. `timed` models tell durations."""
    onnx = pytest.importorskip("onnx", reason="making a tiny voice needs the package onnx")
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "kokoro-v1.0.onnx"
    model.write_bytes(_kokoro_model(onnx, timed=timed))
    styles = {name: np.full((510, 1, 256), 1 + index, np.float32) for index, name in enumerate(voices)}
    with (folder / "voices-v1.0.bin").open("wb") as file:
        np.savez(file, **styles)
    return model


def _kokoro_model(onnx: Any, *, timed: bool) -> bytes:
    """Each token sounds for 1,800 samples (75 ms) at speed 1."""
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Div", ["samples", "speed"], ["fast"]),
        helper.make_node("Ceil", ["fast"], ["each"]),
        helper.make_node("Squeeze", ["each", "first_axis"], ["each_scalar"]),
        helper.make_node("Range", ["zero", "each_scalar", "one"], ["clock"]),
        helper.make_node("ReduceMean", ["style"], ["level"], keepdims=0),
        helper.make_node("Cast", ["tokens"], ["ids"], to=kinds.FLOAT),
        helper.make_node("Squeeze", ["ids", "first_axis"], ["row"]),
        helper.make_node("Unsqueeze", ["row", "last_axis"], ["column"]),
        helper.make_node("Mul", ["column", "step"], ["rise"]),
        helper.make_node("Mul", ["level", "base"], ["voice"]),
        helper.make_node("Add", ["rise", "voice"], ["tone"]),
        helper.make_node("Mul", ["tone", "clock"], ["phase"]),
        helper.make_node("Sin", ["phase"], ["wave"]),
        helper.make_node("Mul", ["wave", "half"], ["quiet"]),
        helper.make_node("Reshape", ["quiet", "flat"], ["audio"]),
    ]
    outputs = [("audio", kinds.FLOAT, [None])]
    if timed:
        nodes += [
            helper.make_node("Mul", ["row", "zero"], ["zeros"]),
            helper.make_node("Add", ["zeros", "one"], ["ones"]),
            helper.make_node("Cast", ["ones"], ["duration"], to=kinds.INT64),
        ]
        outputs.append(("duration", kinds.INT64, [None]))
    inputs = [("tokens", kinds.INT64, [1, None]), ("style", kinds.FLOAT, [1, 256]), ("speed", kinds.FLOAT, [1])]
    constants = {
        "zero": np.float32(0),
        "one": np.float32(1),
        "half": np.float32(0.5),
        "samples": np.float32(1800),
        "base": np.float32(2 * np.pi * 150 / 24000),
        "step": np.float32(2 * np.pi * 2 / 24000),
        "first_axis": np.array([0], np.int64),
        "last_axis": np.array([1], np.int64),
        "flat": np.array([-1], np.int64),
    }
    return _model(onnx, nodes, inputs, outputs, constants)


def _model(onnx: Any, nodes: Any, inputs: Any, outputs: Any, constants: dict[str, Any]) -> bytes:
    helper = onnx.helper
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(*each) for each in outputs],
        initializer=[onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
