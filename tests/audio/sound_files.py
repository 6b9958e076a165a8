"""Files of sound, as a listener's shelf holds them: any container and codec that the encoder of the tests has."""

from pathlib import Path

import av
import numpy as np

from app.audio.pcm import Samples


def write_sound(
    path: Path,
    samples: Samples,
    *,
    sample_rate: int,
    codec: str,
    layout: str = "stereo",
    format: str | None = None,
    **tags: str,
) -> Path:
    """Write a file whose channels are all the same; the container is told by the suffix, or by `format`."""
    with av.open(str(path), "w", format=format) as container:
        container.metadata.update(tags)
        stream = container.add_stream(codec, rate=sample_rate, layout=layout)
        stream.bit_rate = 128_000
        interleaved = np.repeat(samples, stream.codec_context.layout.nb_channels)[None]
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
        frame.sample_rate = sample_rate
        resampler = av.AudioResampler(
            format=stream.codec_context.format, layout=layout, rate=sample_rate, frame_size=stream.frame_size or 1024
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path
