import io
import warnings
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[lipsync]'")

from app.errors import Corrupt, NotFound  # noqa: E402
from app.lipsync.networks import nota, wav2lip  # noqa: E402
from app.lipsync.networks.plain import PlainNetwork  # noqa: E402
from app.lipsync.weights import read  # noqa: E402
from tests.lipsync.random_weights import random_network, save  # noqa: E402

PLAN = nota.PLAN


@pytest.fixture(scope="module")
def network() -> PlainNetwork:
    return random_network(PLAN)


def is_same(state: dict[str, object], network: PlainNetwork) -> bool:
    own = network.state_dict()
    return state.keys() == own.keys() and all(torch.equal(state[name], own[name]) for name in own)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("legacy", [False, True])
def test_every_container_loads_strictly(
    network: PlainNetwork, tmp_path: Path, *, prefix: str, wrapped: bool, legacy: bool
) -> None:
    path = save(network.state_dict(), tmp_path / "net.pth", wrapped=wrapped, prefix=prefix, legacy=legacy)
    state = read(path, PLAN)
    assert is_same(state, network)
    PlainNetwork(PLAN).load_state_dict(state, strict=True)


def test_torchscript_archives_load(network: PlainNetwork, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated in torch; the published archives were made by it
        traced = torch.jit.trace(network, (torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96)))
        traced.save(str(tmp_path / "net.pt"))
    assert is_same(read(tmp_path / "net.pt", PLAN), network)


def test_the_large_network_loads_strictly(tmp_path: Path) -> None:
    network = PlainNetwork(wav2lip.PLAN)
    path = save(network.state_dict(), tmp_path / "wav2lip.pth", wrapped=True, prefix="module.", legacy=True)
    assert is_same(read(path, wav2lip.PLAN), network)


def test_only_a_prefix_of_all_names_is_dropped(network: PlainNetwork, tmp_path: Path) -> None:
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    state["output_block.1.bias"] = state.pop("module.output_block.1.bias")
    with pytest.raises(Corrupt, match="155 unknown"):
        read(save(state, tmp_path / "net.pth"), PLAN)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kept", [0.002, 0.1, 0.5, 0.999])
def test_a_partial_download_is_told(network: PlainNetwork, tmp_path: Path, *, legacy: bool, kept: float) -> None:
    path = save(network.state_dict(), tmp_path / "net.pth", legacy=legacy)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(Corrupt, match=r"net\.pth (is not whole|cannot be read)"):
        read(path, PLAN)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\n <!DOCTYPE html><html>Sign in</html>", "web page"),
        (b'{"error": "quota"}', "JSON"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (b"PK\x03\x04 no archive", "not whole"),
        (b"whatever it is", "cannot be read"),
    ],
)
def test_what_people_save_by_mistake_is_told(tmp_path: Path, *, content: bytes, told: str) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(Corrupt, match=told) as caught:
        read(path, PLAN)
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"^net\.pth is not there"):
        read(tmp_path / "net.pth", PLAN)


def test_an_unreadable_file_is_told_without_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(b"PK\x03\x04 something")
    monkeypatch.setattr(torch, "load", lambda file, **options: Path(f"{file}/none").read_bytes())
    with pytest.raises(Corrupt) as caught:
        read(path, PLAN)
    assert str(tmp_path) not in str(caught.value)


def test_networks_for_larger_faces_are_told(network: PlainNetwork, tmp_path: Path) -> None:
    state = network.state_dict()
    state["face_encoder_blocks.7.0.conv_block.0.weight"] = torch.zeros(4, 4, 3, 3)
    with pytest.raises(Corrupt, match="larger faces"):
        read(save(state, tmp_path / "net.pth"), PLAN)


def test_the_other_network_is_told(network: PlainNetwork, tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match=r"does not fit wav2lip: it is of nota_wav2lip"):
        read(save(network.state_dict(), tmp_path / "net.pth"), wav2lip.PLAN)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: state.pop("output_block.1.bias"), "1 missing .*output_block.1.bias"),
        (lambda state: state.update(extra=torch.zeros(1)), "1 unknown .*extra"),
        (lambda state: state.update({"output_block.1.bias": torch.zeros(4)}), "1 of another shape"),
        (lambda state: state.update({"output_block.1.bias": torch.zeros(3).half()}), "1 of another shape or type"),
        (lambda state: state.update({"output_block.1.bias": torch.full((3,), torch.nan)}), "not finite"),
    ],
)
def test_what_does_not_fit_is_named(network: PlainNetwork, tmp_path: Path, *, change: object, told: str) -> None:
    state = dict(network.state_dict())
    change(state)  # type: ignore[operator]
    with pytest.raises(Corrupt, match=told):
        read(save(state, tmp_path / "net.pth"), PLAN)


def test_nothing_in_a_pickle_is_run(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "touched",)  # type: ignore[return-value]

    buffer = io.BytesIO()
    torch.save({"state_dict": Attack()}, buffer)
    (tmp_path / "net.pth").write_bytes(buffer.getvalue())
    with pytest.raises(Corrupt, match="more than arrays"):
        read(tmp_path / "net.pth", PLAN)
    assert not (tmp_path / "touched").exists()


def test_a_pickle_without_arrays_is_told(tmp_path: Path) -> None:
    torch.save({"state_dict": {"step": 7}}, tmp_path / "net.pth")
    with pytest.raises(Corrupt, match="holds no state"):
        read(tmp_path / "net.pth", PLAN)
