"""How the documentation tells of a body that is a file."""

from collections.abc import Sequence
from typing import Any


def body_schema(description: str, *, fields: Sequence[str] = ()) -> dict[str, Any]:
    """Return what OpenAPI says of a body that is the file itself, or a form with it and some texts.

    Args:
        description: of the file.
        fields: names of the texts; beside a body that is the file itself they stand in the query.
    """
    file = {"type": "string", "format": "binary", "description": description}
    texts = {name: {"type": "string"} for name in fields}
    form = {"type": "object", "required": ["file"], "properties": {"file": file, **texts}}
    content = {"multipart/form-data": {"schema": form}, "application/octet-stream": {"schema": file}}
    query = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in fields]
    return {"requestBody": {"required": True, "content": content}, "parameters": query}
