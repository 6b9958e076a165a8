"""The part of `bench_lipsync.py` that needs torch: the networks beside themselves as published, and whole jobs."""

import io
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import av
import numpy as np
import torch
from lipsync_material import FPS, judged, least_seconds, portrait, speech
from torch import Tensor

from app.lipsync.compose import StillComposer
from app.lipsync.encode import StreamedVideo, VideoForm, WholeVideo
from app.lipsync.mel import SAMPLE_RATE
from app.lipsync.networks import nota
from app.lipsync.networks.plain import PlainNetwork
from app.lipsync.networks.plan import MASKED_FROM, Plan
from app.lipsync.networks.registry import PLANS
from app.lipsync.still import Maps, StillNetwork
from app.lipsync.windows import Windows, WindowStream, frame_count

PLAIN_BATCHES = (1, 8, 32)
OWN_BATCHES = (8, 16, 32)
JOB_BATCH = 32
TYPES: Mapping[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
BARS = {("nota_wav2lip", "bfloat16"): 8.0, ("wav2lip", "bfloat16"): 3.0, ("wav2lip", "float32"): 1.7}
"""Times the frames of the plain network at its best batch."""
DIFFERENCE_BAR = 1e-6
JOB_SECONDS = 6.0
JOB_BAR = 0.5
"""CPU seconds of a job with a picture of 512 pixels."""
FIRST_FRAGMENT_BAR = 0.3
FIRST_BATCH = 12
SIDES = (512, 1024)

torch.set_num_threads(1)
RNG = np.random.default_rng(0)


def random_network(plan: Plan) -> PlainNetwork:
    """Return a network of random numbers whose batch norms do something."""
    torch.manual_seed(0)
    network = PlainNetwork(plan).eval()
    for name, values in network.state_dict().items():
        if name.endswith("running_mean"):
            values.normal_(0, 0.1)
        elif name.endswith("running_var"):
            values.uniform_(0.5, 1.5)
    return network


def windows(count: int) -> Windows:
    return RNG.uniform(-4, 4, (count, 80, 16)).astype(np.float32)


def faces(count: int) -> Tensor:
    """Return what the plain network takes: (count, 6, 96, 96)."""
    whole = torch.from_numpy(RNG.integers(0, 256, (1, 96, 96, 3), np.uint8)).permute(0, 3, 1, 2) / 255
    masked = whole.clone()
    masked[:, :, MASKED_FROM:] = 0
    return torch.cat((masked, whole), 1).repeat(count, 1, 1, 1)


@torch.inference_mode()
def difference(plain: PlainNetwork, own: StillNetwork) -> float:
    """Return the largest difference of any pixel, of full scale."""
    face, heard = faces(1), windows(4)
    picture = (face[:, 3:] * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    drawn = own.forward(torch.from_numpy(heard), own.prepare(picture).tensors)
    published = plain(torch.from_numpy(heard).unsqueeze(1), face.repeat(4, 1, 1, 1))[:, :, own.first_row :]
    return float((drawn - published).abs().max())


def measure_networks(rounds: int) -> None:
    print("\n### Networks, one still face, frames/s of a core\n")
    print("| network | as | batch of frames | frames/s | times the best plain | bar | largest difference | bar |")
    print("|---|---|---|--:|--:|--:|--:|--:|")
    for plan in PLANS.values():
        plain = random_network(plan)
        owns = {name: StillNetwork(plan, plain.state_dict(), dtype=dtype) for name, dtype in TYPES.items()}
        rates = measured(plain, owns, rounds)
        best = max(rate for (name, _), rate in rates.items() if name == "plain")
        for name in ("plain", *owns):
            sizes = [size for kind, size in rates if kind == name]
            size = max(sizes, key=lambda size: rates[name, size])
            told = ", ".join(f"{size}: {rates[name, size]:.0f}" for size in sizes)
            ratio = rates[name, size] / best
            bar = judged(ratio, BARS.get((plan.name, name)))
            error = difference(plain, owns[name]) if name in owns else 0.0
            error_bar = judged(error, DIFFERENCE_BAR if name == "float32" else None, at_most=True)
            print(f"| {plan.name} | {name} | {told} | {rates[name, size]:.1f} | {ratio:.1f} | {bar} | ", end="")
            print(f"{error:.1e} | {error_bar} |" if name in owns else "– | – |", flush=True)


def measured(plain: PlainNetwork, owns: Mapping[str, StillNetwork], rounds: int) -> dict[tuple[str, int], float]:
    """Return frames per CPU second of each kind and batch, all measured by turns."""
    actions: dict[tuple[str, int], Callable[[], object]] = {}
    for size in PLAIN_BATCHES:
        mel, face = torch.from_numpy(windows(size)).unsqueeze(1), faces(size)
        actions["plain", size] = partial(plain, mel, face)
    for name, own in owns.items():
        maps = own.prepare(RNG.integers(0, 256, (1, 96, 96, 3), np.uint8))
        for size in OWN_BATCHES:
            actions[name, size] = partial(own.draw, windows(size), maps)
    with torch.inference_mode():
        return {key: key[1] / seconds for key, seconds in least_seconds(actions, rounds).items()}


class Job:
    """One job in one thread, without the pipeline: what its stages cost in a row, warm."""

    def __init__(self, side: int) -> None:
        state = random_network(nota.PLAN).state_dict()
        self._network = StillNetwork(nota.PLAN, state, dtype=torch.bfloat16)
        self._picture, self._landmarks = portrait(side)
        self._form = VideoForm(side, side, FPS, SAMPLE_RATE)
        self._sound = speech(JOB_SECONDS)
        self._maps = self._network.prepare(self._composer().face[None])

    def whole(self) -> bytes:
        """Make the whole video."""
        video = WholeVideo(self._form)
        self._write(video, self._heard(), self._maps)
        return video.finish()

    def first_fragment(self) -> float:
        """Return the seconds until a stream has its first fragment."""
        start = time.perf_counter()
        video = StreamedVideo(self._form)
        for heard in self._heard():
            self._write(video, iter([heard]), self._maps)
            if video.take():
                return time.perf_counter() - start
        raise AssertionError("no fragment came")

    def _composer(self) -> StillComposer:
        return StillComposer(self._picture, self._landmarks, first_row=self._network.first_row)

    def _heard(self) -> Iterator[Windows]:
        stream = WindowStream(fps=FPS)
        frames = frame_count(len(self._sound), SAMPLE_RATE, FPS)
        heard = np.concatenate((stream.push(self._sound), stream.finish(frames)))
        cuts = [FIRST_BATCH, *range(FIRST_BATCH + JOB_BATCH, len(heard), JOB_BATCH)]
        return iter(np.split(heard, cuts))

    def _write(self, video: WholeVideo | StreamedVideo, heard: Iterator[Windows], maps: Maps) -> None:
        composer, step, number = self._composer(), SAMPLE_RATE // FPS, 0
        for batch in heard:
            for drawn in self._network.draw(batch, maps):
                video.writer.write_picture(composer.compose(drawn), composer.changed)
                video.writer.write_sound(self._sound[number * step : (number + 1) * step])
                number += 1


def measure_job(rounds: int) -> None:
    print(f"\n### A job of {JOB_SECONDS:g} s, nota_wav2lip in bfloat16, warm, stages in a row in one thread\n")
    print("| picture | CPU s | bar | first fragment, s by the clock | bar | MP4, KiB |\n|--:|--:|--:|--:|--:|--:|")
    for side in SIDES:
        job = Job(side)
        seconds = least_seconds({"whole": job.whole}, rounds)["whole"]
        first = min(job.first_fragment() for _ in range(rounds + 1))
        video = job.whole()
        with av.open(io.BytesIO(video)) as file:
            assert file.streams.video[0].frames == JOB_SECONDS * FPS
        told = judged(seconds, JOB_BAR if side == SIDES[0] else None, at_most=True)
        print(f"| {side} | {seconds:.3f} | {told} | {first:.3f} | ", end="")
        print(f"{judged(first, FIRST_FRAGMENT_BAR, at_most=True)} | {len(video) / 1024:.0f} |")
