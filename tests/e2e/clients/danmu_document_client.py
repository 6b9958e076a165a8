# The Python client of the "WebSocket API Reference" of live speech, as that document prints it: not to be edited.
# fmt: off
# ruff: noqa

import asyncio
import websockets
import json
import base64

class DanmuTTSWebSocketClient:
    def __init__(self, uri="ws://localhost:8000/ws"):
        self.uri = uri
        self.websocket = None
        self.request_id = 0

    async def connect(self):
        self.websocket = await websockets.connect(self.uri)
        print("Connected to TTS WebSocket")

    async def disconnect(self):
        if self.websocket:
            await self.websocket.close()

    def _generate_id(self):
        self.request_id += 1
        return f"req_{self.request_id}"

    async def synthesize(self, text, voice=None, backend=None):
        request = {
            "id": self._generate_id(),
            "type": "tts",
            "data": {
                "text": text,
                "voice": voice,
                "backend": backend
            }
        }

        await self.websocket.send(json.dumps(request))
        response = await self.websocket.recv()
        return json.loads(response)

    async def get_voices(self, backend=None, language=None):
        request = {
            "id": self._generate_id(),
            "type": "get_voices",
            "data": {
                "backend": backend,
                "language": language
            }
        }

        await self.websocket.send(json.dumps(request))
        response = await self.websocket.recv()
        return json.loads(response)
