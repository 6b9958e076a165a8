#!/usr/bin/env python
"""Try `/ws/lip-sync`: without files whether it answers, with a picture and a sound or a text the whole way to a video.

    scripts/websocket_test_client.py
    scripts/websocket_test_client.py --audio sample.wav --image person.jpg
    scripts/websocket_test_client.py --text "Good evening!" --image person.jpg --stream
    scripts/websocket_test_client.py -a sample.wav -i person.jpg -m compressed -r 2 -u ws://your-server.com/ws/lip-sync

Needs the package `websockets` alone.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.sdk.portrait import ClientError, Fragment, Portrait, Portraits, Progress, RequestFailed
from app.sdk.portrait_client import Speaking

URL = "ws://localhost:8000/ws/lip-sync"
MODELS = {"original": "wav2lip", "compressed": "nota_wav2lip", "warp": "warp"}
FAILED = (ClientError, OSError, WebSocketException)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", "-u", default=URL, help=f"of the server ({URL})")
    parser.add_argument("--token", help="API key or access token, if the server asks for one")
    parser.add_argument("--audio", "-a", type=Path, help="what is to be spoken: wav, mp3, m4a, ogg, flac")
    parser.add_argument("--text", "-t", help="what is to be spoken, by a voice of the server")
    parser.add_argument("--voice", help="id of the voice (one that fits the text)")
    parser.add_argument("--language", help="of the text, as in en-GB")
    parser.add_argument("--image", "-i", type=Path, help="who is to speak: jpg, png, webp")
    parser.add_argument("--video", type=Path, help="whose lips are to be drawn anew: mp4, mov; the networks alone can")
    parser.add_argument("--model", "-m", choices=MODELS, default="compressed", help="who is to draw (compressed)")
    parser.add_argument("--resize-factor", "-r", type=int, choices=(1, 2, 4), default=1, help="divides both sides (1)")
    parser.add_argument("--pads", "-p", type=int, nargs=4, default=[0, 10, 0, 0], metavar=("T", "B", "L", "R"))
    parser.add_argument("--output", "-o", type=Path, default=Path("result.mp4"), help="where the video goes")
    parser.add_argument("--stream", "-s", action="store_true", help="take the video in fragments, while it is drawn")
    args = parser.parse_args()
    who, what = (args.image, args.video), (args.audio, args.text)
    if any((*who, *what)) and [sum(map(bool, given)) for given in (who, what)] != [1, 1]:
        parser.error("one of --image and --video goes together with one of --audio and --text")
    return args


async def try_connection(args: argparse.Namespace) -> None:
    """Connect as a client of the document does, and see whether the server answers."""
    headers = {"Authorization": f"Bearer {args.token}"} if args.token else {}
    async with connect(args.url, max_size=None, compression=None, additional_headers=headers) as socket:
        print(json.loads(await socket.recv())["message"])
        await socket.send(json.dumps({"type": "ping"}))
        print("answers" if json.loads(await socket.recv())["type"] == "pong" else "does not answer to ping")


async def draw(args: argparse.Namespace) -> None:
    """Have a video made, and write it."""
    speaking: Speaking = {
        "text": args.text,
        "voice": args.voice,
        "language": args.language,
        "video": args.video,
        "model": MODELS[args.model],  # type: ignore[typeddict-item]
        "pads": tuple(args.pads),
        "resize_factor": args.resize_factor,
        "on_progress": show_progress,
    }
    async with Portraits(args.url, args.token) as portraits:
        if args.stream:
            portrait = await stream(portraits, args, speaking)
        else:
            portrait = await portraits.speak(args.image, args.audio, **speaking)
            args.output.write_bytes(portrait.video)
    for name, value in asdict(portrait).items():
        if name != "video":
            print(f"{name:>18}  {value}")
    print(f"{'written to':>18}  {args.output}")


async def stream(portraits: Portraits, args: argparse.Namespace, speaking: Speaking) -> Portrait:
    """Write fragments as they come; a player may follow the file while it grows."""
    with args.output.open("wb") as file:
        async for event in portraits.stream(args.image, args.audio, **speaking):
            match event:
                case Fragment():
                    file.write(event.data)
                    file.flush()
                case Portrait():
                    return event
    raise AssertionError("a portrait has ended without a result")


def show_progress(progress: Progress) -> None:
    """Print how far it is."""
    print(f"{progress.percent:5.1f} %  {progress.message}")


async def main() -> bool:
    """Talk to the server; tells whether it did what it should."""
    args = arguments()
    try:
        await try_connection(args)
        if args.image or args.video:
            await draw(args)
    except (RequestFailed, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return False
    except FAILED as error:
        print(f"{args.url}: {error}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
