"""Who draws: whom the order names, or the embedded engine where that one cannot be loaded, which is then told."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.errors import InvalidInput, Unavailable
from app.lipsync.engine import Engine
from app.lipsync.generator import load
from app.lipsync.network_engine import NetworkEngine
from app.lipsync.networks.registry import PLANS, find_checkpoint
from app.lipsync.networks.runtime import Precision
from app.lipsync.warp.engine import WarpEngine


@dataclass(frozen=True, slots=True)
class Chosen:
    """An engine, and why it is not the one that was asked for."""

    engine: Engine
    fallback_reason: str | None = None


class Engines:
    """The engines by their names.

    Args:
        fallback: is always there.
        networks: may lack their weights.
    """

    def __init__(self, fallback: Engine, networks: Mapping[str, NetworkEngine]) -> None:
        self._fallback = fallback
        self._networks = networks

    @property
    def names(self) -> list[str]:
        """Of all that may be asked for."""
        return [self._fallback.name, *self._networks]

    @property
    def troubles(self) -> dict[str, str | None]:
        """Why each cannot draw, as far as is known; None: it can."""
        return {self._fallback.name: None} | {name: network.trouble for name, network in self._networks.items()}

    def choose(self, name: str) -> Chosen:
        """Return the engine of this name, loaded, or the embedded one. It blocks.

        Raises:
            InvalidInput: there is no such engine.
        """
        if name == self._fallback.name:
            return Chosen(self._fallback)
        if name not in self._networks:
            raise InvalidInput(f"model '{name}' is unknown: {', '.join(self.names)}", field="model_type")
        network = self._networks[name]
        try:
            network.generator()
        except Unavailable as error:
            return Chosen(self._fallback, str(error))
        return Chosen(network)

    def choose_for_film(self, name: str) -> NetworkEngine:
        """Return the network of this name, loaded: nobody else can draw into a film. It blocks.

        Raises:
            InvalidInput: there is no such engine.
            Unavailable: it is one for pictures alone, or cannot be loaded; the message says what is missing.
        """
        if name == self._fallback.name:
            others = " or ".join(self._networks)
            raise Unavailable(f"{name} bends a picture; a video needs {others}")
        chosen = self.choose(name)
        if not isinstance(chosen.engine, NetworkEngine):
            raise Unavailable(f"a video needs a network, and {chosen.fallback_reason}")
        return chosen.engine


def engines_of(models: Path, *, device: str = "auto", precision: Precision = "auto") -> Engines:
    """Return the embedded engine and every network; the networks' checkpoints may be put there later."""
    networks = {
        name: NetworkEngine(
            name, partial(load, models, name, device=device, precision=precision), partial(_state, models, name)
        )
        for name in PLANS
    }
    return Engines(WarpEngine(), networks)


def _state(models: Path, name: str) -> tuple[str, int, int] | None:
    """Return what file there is of a network, and when it was written."""
    path = find_checkpoint(models, name)
    if path is None:
        return None
    status = path.stat()
    return str(path), status.st_mtime_ns, status.st_size
