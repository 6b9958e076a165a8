"""A worker that does what its request says; started by the tests as a process of its own."""

import os
import signal
import subprocess
import sys
import time

from app.runtime import pipe
from app.runtime.child import Channel, run


def answer(channel: Channel, verb: str, rest: str) -> None:
    match verb:
        case "echo":
            channel.chunk(rest.encode())
        case "many":
            count, size = map(int, rest.split())
            for number in range(count):
                channel.chunk(number.to_bytes(4, "little") * (size // 4))
        case "zeros":
            channel.chunk(bytes(int(rest)))
        case "pid":
            channel.chunk(str(os.getpid()).encode())
        case "pid-then-hang":
            channel.chunk(str(os.getpid()).encode())
            signal.pause()
        case "length":
            channel.chunk(str(len(rest)).encode())
        case "environment":
            channel.chunk("\n".join(sorted(os.environ)).encode())
        case "burn":
            until = time.process_time() + float(rest)
            while time.process_time() < until:
                pass
        case "gate":
            with open(rest, "rb") as gate:  # a named pipe: blocks until a test opens the other end
                channel.chunk(gate.read())
        case "chunk-then-gate":
            channel.chunk(b"first")
            with open(rest, "rb") as gate:
                channel.chunk(gate.read())
        case "chunk-then-hang":
            channel.chunk(b"first")
            signal.pause()
        case "signal":
            channel.chunk(b"last")
            os.kill(os.getpid(), signal.Signals[rest])
        case "exit":
            os._exit(int(rest))
        case "hang":
            signal.pause()
        case "child":
            child = subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"])
            channel.chunk(str(child.pid).encode())
            signal.pause()
        case "raw":
            os.write(channel._sink, bytes.fromhex(rest))
            signal.pause()
        case "close":
            os.close(channel._sink)
            signal.pause()
        case "memory":
            channel.chunk(str(len(bytearray(int(rest)))).encode())
        case "complain":
            print(rest, file=sys.stderr, flush=True)
        case "print":
            print(rest, flush=True)
        case "refuse":
            channel.error(rest.encode())
            return
    channel.end()


def program(channel: Channel) -> None:
    start = sys.argv[1] if len(sys.argv) > 1 else ""
    if start == "die-at-start":
        with open(sys.argv[2], "a") as starts:
            starts.write("x")
        raise SystemExit("no dictionary found")
    if start == "meet-at-start":
        with open(sys.argv[2], "ab") as arrivals:
            arrivals.write(b"x")
        while os.path.getsize(sys.argv[2]) < int(sys.argv[3]):
            time.sleep(0.001)
    if start == "hang-at-start":
        signal.pause()
    if start == "die-when-ready":
        channel.ready(b"hello")
        return
    if start == "garbage-at-start":
        os.write(channel._sink, pipe.encode(pipe.END))
        signal.pause()
    channel.ready(b"I am %d" % os.getpid())
    for request in channel.requests():
        verb, _, rest = request.decode().partition(" ")
        answer(channel, verb, rest)


if __name__ == "__main__":
    run(program, max_frame_bytes=8 * 1024 * 1024)
