from pathlib import Path

import pytest

from tests.sdk.node import run_node

pytestmark = [pytest.mark.anyio, pytest.mark.node]

TESTS = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
async def test_in_node(path: Path) -> None:
    report = await run_node("--test", "--test-reporter=tap", path)

    assert "# fail 0" in report and "# pass 0" not in report
