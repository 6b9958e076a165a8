import gc

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_finish() -> None:
    """Keep the collector from looking at thousands of tests again and again, which takes it a second each time."""
    gc.collect()
    gc.freeze()
