import httpx
import pytest
from fastapi import FastAPI

from app.api.pages import pages

pytestmark = pytest.mark.anyio


async def get(path: str) -> httpx.Response:
    app = FastAPI()
    app.include_router(pages(version="1"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get(path)


async def test_the_page_of_portraits_has_the_name_of_the_document_too() -> None:
    answer = await get("/websocket-test")

    assert answer.status_code == 307
    assert answer.headers["location"] == "web/portrait.html"  # relative, for servers behind a prefix


@pytest.mark.parametrize("path", ["/web/portrait.html", "/sdk/portrait.js", "/sdk/portrait_player.js"])
async def test_pages_and_clients_are_served(path: str) -> None:
    assert (await get(path)).status_code == 200
