import pytest
from starlette.types import Scope

from app.runtime.refusal import route_path


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [("/a", "", "/a"), ("/r/a", "/r", "/a"), ("/ra", "/r", "/ra"), ("/a", "/r", "/a"), ("/r", "/r", "/r")],
)
def test_route_path(path: str, root: str, expected: str) -> None:
    scope: Scope = {"path": path, "root_path": root}
    assert route_path(scope) == expected
