"""A worker without any model: its jobs' texts say what happens, its arguments how it introduces itself."""

import os
import sys
from collections.abc import Iterator

import numpy as np

from app.errors import BackendUnavailable, VoiceNotFound, WorkerFailed
from app.runtime.child import Channel, run
from app.tts.model_worker import Introduction, Job, Part, serve
from app.tts.speech import Mark, MarkKind


def speak(job: Job) -> Iterator[Part]:
    match job.text:
        case "strange":
            raise VoiceNotFound(job.voice)
        case "damaged":
            raise BackendUnavailable("fake", reason="its model is damaged")
        case "large":
            raise MemoryError("std::bad_alloc")
        case "odd":
            raise WorkerFailed("no phoneme for it")
        case "deadly":
            os._exit(3)
        case "endless":
            while True:
                yield Part(np.zeros(8000, np.float32), 8000)
        case _:
            yield Part(np.full(800, 0.5, np.float32), 8000, (Mark(MarkKind.WORD, job.text, 0.0, 0.1),))


def program(channel: Channel) -> None:
    match sys.argv[1:]:
        case ["dying"]:
            sys.exit("no room for anything")
        case ["useless"]:
            channel.ready(Introduction(problem="the package fake cannot be imported").encode())
        case ["broken"]:
            channel.ready(Introduction({"a": {}}, {"a": "half of it is missing"}).encode())
        case _:
            channel.ready(Introduction({"a": {"language": "en"}, "b": {"language": "zh"}}, {"c": "old"}).encode())
    serve(channel, speak, sample_rate=8000)


if __name__ == "__main__":
    run(program)
