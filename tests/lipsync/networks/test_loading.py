import threading
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[lipsync]'")

from app.errors import Corrupt, Unavailable  # noqa: E402
from app.lipsync.generator import load  # noqa: E402
from app.lipsync.networks import loading, nota  # noqa: E402
from app.lipsync.networks.loading import candidates, cpu_batch, fastest, find_device, is_lack_of_memory  # noqa: E402
from app.lipsync.networks.registry import FILES, FOLDER  # noqa: E402
from app.lipsync.still import StillNetwork  # noqa: E402
from tests.lipsync.random_weights import random_network, save  # noqa: E402

RNG = np.random.default_rng(1)
FACES = RNG.integers(0, 256, (20, 96, 96, 3), dtype=np.uint8)
WINDOWS = RNG.uniform(-4, 4, (20, 80, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / FOLDER).mkdir()
    save(random_network(nota.PLAN).state_dict(), folder / FOLDER / FILES["nota_wav2lip"][0])
    return folder


def test_a_checkpoint_becomes_a_generator(models: Path) -> None:
    made = load(models, "nota_wav2lip", device="cpu", precision="float32")
    network = StillNetwork(nota.PLAN, random_network(nota.PLAN).state_dict())
    still = made.draw(WINDOWS, made.prepare(FACES[:1]))
    assert (made.name, made.device, made.precision, made.first_row) == ("nota_wav2lip", "cpu", "float32", 48)
    assert np.abs(still.astype(int) - network.draw(WINDOWS, network.prepare(FACES[:1]))).max() <= 1
    video = made.draw(WINDOWS, made.prepare(FACES))
    assert np.abs(video.astype(int) - network.draw(WINDOWS, network.prepare(FACES))).max() <= 1


def test_jobs_draw_at_the_same_time(models: Path) -> None:
    made = load(models, "nota_wav2lip", device="cpu", precision="float32", slots=2)
    maps = [made.prepare(FACES[number : number + 1]) for number in range(4)]
    alone = [made.draw(WINDOWS[:3], each) for each in maps]
    together: dict[int, object] = {}

    def job(number: int) -> None:
        together[number] = made.draw(WINDOWS[:3], maps[number])

    threads = [threading.Thread(target=job, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert all(np.array_equal(together[number], alone[number]) for number in range(4))


def test_weights_that_do_not_fit_are_told(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "wav2lip.pth").write_bytes(b"<html>")
    with pytest.raises(Corrupt, match="web page"):
        load(tmp_path, "wav2lip")


@pytest.mark.parametrize(("ratio", "precision"), [(2.0, "bfloat16"), (1.05, "float32"), (0.5, "float32")])
def test_bfloat16_is_taken_where_it_is_faster(monkeypatch: pytest.MonkeyPatch, ratio: float, precision: str) -> None:
    state = random_network(nota.PLAN).state_dict()
    networks = [StillNetwork(nota.PLAN, state, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    times = {networks[0]: ratio, networks[1]: 1.0}
    monkeypatch.setattr(loading, "seconds_a_frame", times.__getitem__)
    network, seconds = fastest(networks)
    assert (str(network.dtype), seconds) == (f"torch.{precision}", times[network])


def test_a_gpu_is_told_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, cpu = torch.device("cuda", 0), torch.device("cpu")
    for is_able, wanted in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, is_able=is_able: is_able)
        assert candidates("auto", gpu) == [wanted]
    assert candidates("auto", cpu) == [torch.float32, torch.bfloat16]
    assert candidates("float32", gpu) == [torch.float32]


def test_the_probe_measures_a_time() -> None:
    assert loading.seconds_a_frame(StillNetwork(nota.PLAN, random_network(nota.PLAN).state_dict())) > 0


@pytest.mark.parametrize(("seconds", "frames"), [(0.0003, 32), (0.011, 8), (0.021, 4), (1.0, 4)])
def test_a_batch_takes_no_longer_than_a_cancelled_job_may(seconds: float, frames: int) -> None:
    assert cpu_batch(seconds) == frames


@pytest.mark.parametrize("name", ["cuda:99", "abacus"])
def test_a_device_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises(Unavailable, match=name):
        find_device(name)


def test_a_lack_of_memory_is_told_from_other_errors() -> None:
    assert is_lack_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_lack_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))
    assert not is_lack_of_memory(RuntimeError("shapes do not match"))
