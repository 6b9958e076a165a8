"""Films through a network of random numbers, from file to file."""

import io

import av
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[lipsync]'")

from app.lipsync.engines import engines_of  # noqa: E402
from app.lipsync.faces.finder import Finder  # noqa: E402
from app.lipsync.film.faces import Cast  # noqa: E402
from app.lipsync.film.film import Film, FilmReader  # noqa: E402
from app.lipsync.film.performance import FilmPerformance  # noqa: E402
from app.lipsync.film.player import numbers  # noqa: E402
from app.lipsync.generator import Generator, load  # noqa: E402
from app.lipsync.handover import GO_ON  # noqa: E402
from app.lipsync.networks.plan import MASKED_FROM  # noqa: E402
from app.lipsync.networks.registry import FILES, FOLDER, PLANS  # noqa: E402
from app.lipsync.placement import place  # noqa: E402
from app.lipsync.portraits import Portraits  # noqa: E402
from app.lipsync.renderer import PORTRAIT_POOL, Limits, Renderer  # noqa: E402
from app.runtime.queue import WaitingLine  # noqa: E402
from app.runtime.workers import Workers  # noqa: E402
from tests.lipsync.film.test_performance import Placed  # noqa: E402
from tests.lipsync.films import film, moving_face, turned  # noqa: E402
from tests.lipsync.performers import order, tone  # noqa: E402
from tests.lipsync.portraits import MODELS, astronaut_face, needs_models  # noqa: E402
from tests.lipsync.random_weights import contrasty_network, save  # noqa: E402

NAME = "nota_wav2lip"
NETWORK = contrasty_network(PLANS[NAME])


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    (folder / FOLDER).mkdir()
    save(NETWORK.state_dict(), folder / FOLDER / FILES[NAME][0])
    return folder


class Watched(Generator):
    """Keeps what was drawn."""

    def __init__(self, generator):
        super().__init__(generator._runtime)
        self.drawn = []

    def draw(self, windows, faces):
        self.drawn.append(super().draw(windows, faces))
        return self.drawn[-1]


@torch.inference_mode()
def published(windows, squares):
    """What the network as published draws of each face, as grey levels."""
    whole = torch.from_numpy(squares).permute(0, 3, 1, 2) / 255
    masked = whole.clone()
    masked[:, :, MASKED_FROM:] = 0
    drawn = NETWORK(torch.from_numpy(windows).unsqueeze(1), torch.cat((masked, whole), 1))
    return (drawn.permute(0, 2, 3, 1) * 255).numpy()


def test_every_picture_is_seen_by_the_full_network(models):
    """The still rewrite would have looked at the first one alone."""
    pictures, where = moving_face(12, step=4)
    data = film(pictures, options={"crf": "10"})
    whole, watched = Film(data, max_seconds=9), Watched(load(models, NAME, device="cpu", precision="float32"))
    face = astronaut_face()
    first = type(face)(where[0], face.box, 1.0)
    what = order(image=b"", video=data, smooth=False)
    performing = FilmPerformance(watched, Cast(whole, (first,), first, 0), Placed(where), what)
    windows = np.random.default_rng(0).uniform(-4, 4, (8, 80, 16)).astype(np.float32)

    list(performing.draw(windows, 0))

    reader = FilmReader(whole)
    squares = np.stack([place(where[number]).take(reader.at(number, GO_ON)) for number in range(8)])
    expected = published(windows, squares)[:, watched.first_row :]
    [drawn] = watched.drawn
    assert np.abs(drawn - expected).max() <= 1
    stills = published(windows, squares[:1].repeat(8, 0))[:, watched.first_row :]
    assert np.abs(drawn[1:] - stills[1:]).max() > 2


@needs_models
@pytest.mark.anyio
@pytest.mark.parametrize("degrees", [0, 90])
async def test_a_film_speaks_through_the_whole_engine(models, degrees):
    pictures, _ = moving_face(15)
    sideways = [np.rot90(picture) for picture in pictures] if degrees else pictures
    data = turned(film([each[:, :-1] for each in sideways], form="mov", options={"crf": "10"}), degrees)
    renderer = Renderer(
        engines_of(models, device="cpu", precision="float32"),
        Portraits(Finder(MODELS), cache_bytes=10**7),
        Workers({PORTRAIT_POOL: 1}),
        line=WaitingLine(concurrency=1, depth=1),
        limits=Limits(timeout=600.0),
    )

    portrayal = await renderer.render(order(audio=tone(1.0), image=b"", video=data, model=NAME, crf=4), client="a")

    assert (portrayal.model_used, portrayal.requested_model, portrayal.fallback_reason) == (NAME, NAME, None)
    assert (portrayal.faces, portrayal.is_rough, portrayal.frames) == (1, False, 25)
    assert (portrayal.width, portrayal.height) == ((512, 510) if degrees else (510, 512))
    whole = Film(data, max_seconds=9)
    reader = FilmReader(whole)
    with av.open(io.BytesIO(portrayal.video)) as container:
        made = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    for number, frame in zip(numbers(whole.times, whole.duration, 25), made, strict=False):
        difference = np.abs(frame.astype(int) - reader.at(number, GO_ON)).mean(axis=2)
        assert difference[150:190, 190:260].mean() > 5  # where she speaks
        assert difference[:100].mean() < 2.5 and difference[260:].mean() < 2.5
