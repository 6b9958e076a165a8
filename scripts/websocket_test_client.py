#!/usr/bin/env python
"""Try `/ws/lip-sync`: without files whether it answers, with a sound and a picture the whole way to a video.

    scripts/websocket_test_client.py
    scripts/websocket_test_client.py --audio sample.wav --image person.jpg
    scripts/websocket_test_client.py -a sample.wav -i person.jpg -m compressed -r 2 -u ws://your-server.com/ws/lip-sync

Needs the package `websockets` alone.
"""

import argparse
import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

URL = "ws://localhost:8000/ws/lip-sync"
MODELS = {"original": "wav2lip", "compressed": "nota_wav2lip", "warp": "warp"}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", "-u", default=URL, help=f"of the server ({URL})")
    parser.add_argument("--audio", "-a", type=Path, help="what is to be spoken: wav, mp3, m4a, ogg, flac")
    parser.add_argument("--image", "-i", type=Path, help="who is to speak: jpg, png, webp")
    parser.add_argument("--model", "-m", choices=MODELS, default="compressed", help="who is to draw (compressed)")
    parser.add_argument("--resize-factor", "-r", type=int, choices=(1, 2, 4), default=1, help="divides both sides (1)")
    parser.add_argument("--pads", "-p", type=int, nargs=4, default=[0, 10, 0, 0], metavar=("T", "B", "L", "R"))
    parser.add_argument("--output", "-o", type=Path, default=Path("result.mp4"), help="where the video goes")
    parser.add_argument("--stream", "-s", action="store_true", help="take the video in fragments, while it is drawn")
    args = parser.parse_args()
    if (args.audio is None) != (args.image is None):
        parser.error("--audio and --image go together")
    return args


def request(args: argparse.Namespace) -> str:
    """Return the message `process`."""
    return json.dumps(
        {
            "type": "process",
            "audio_base64": base64.b64encode(args.audio.read_bytes()).decode(),
            "image_base64": base64.b64encode(args.image.read_bytes()).decode(),
            "options": {
                "model_type": MODELS[args.model],
                "pads": args.pads,
                "resize_factor": args.resize_factor,
                "stream": args.stream,
            },
        }
    )


async def receive(socket: ClientConnection) -> dict[str, Any]:
    """Return the next message."""
    message: dict[str, Any] = json.loads(await socket.recv())
    return message


async def draw(socket: ClientConnection, args: argparse.Namespace) -> bool:
    """Have a video made and write it; tells whether that worked."""
    await socket.send(request(args))
    video = bytearray()
    while True:
        message = await receive(socket)
        match message["type"]:
            case "progress":
                print(f"{message['progress']:5.1f} %  {message['message']}")
            case "fragment":
                video += base64.b64decode(message["video_base64"])
                args.output.write_bytes(video)
            case "error":
                print(f"{message['error_type']}: {message['message']}", file=sys.stderr)
                return False
            case "result":
                if "video_base64" in message:
                    args.output.write_bytes(base64.b64decode(message.pop("video_base64")))
                for name, value in message.items():
                    print(f"{name:>18}  {value}")
                print(f"{'written to':>18}  {args.output}")
                return True


async def main() -> bool:
    """Talk to the server; tells whether it did what it should."""
    args = arguments()
    try:
        async with connect(args.url, max_size=None, compression=None) as socket:
            print((await receive(socket))["message"])
            await socket.send(json.dumps({"type": "ping"}))
            print("answers" if (await receive(socket))["type"] == "pong" else "does not answer to ping")
            return args.audio is None or await draw(socket, args)
    except (OSError, WebSocketException) as error:
        print(f"{args.url}: {error}", file=sys.stderr)
        return False


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
