# The Python client of the "WebSocket Audio Streaming Server", as its document prints it: not to be edited.
# fmt: off
# ruff: noqa

import asyncio
import websockets

async def send_audio():
    uri = "ws://localhost:8000/ws/echo"  # or wss://e8097d851324.ngrok-free.app/ws/echo
    async with websockets.connect(uri) as websocket:
        # Example: send 1 second of silence (16-bit PCM, 16kHz, mono)
        silence = b"\x00\x00" * 16000
        await websocket.send(silence)
        response = await websocket.recv()
        print(f"Received {len(response)} bytes back")

async def play_audio_file():
    filename = "example.mp3"
    uri = f"ws://localhost:8000/ws/play/{filename}"
    async with websockets.connect(uri) as websocket:
        while True:
            try:
                message = await websocket.recv()
                if isinstance(message, str):
                    print(f"Server: {message}")
                else:
                    print(f"Received audio chunk: {len(message)} bytes")
            except websockets.exceptions.ConnectionClosed:
                break

asyncio.run(send_audio())  # Test echo endpoint
asyncio.run(play_audio_file())  # Test file player
