"""The client of the API document of calls, unchanged but for the port: `example.mp3` is where it says."""

import subprocess
import sys
from pathlib import Path

from tests.e2e.served import served

CLIENT = Path(__file__).parent / "clients" / "calls_document_client.py"
SIZE = 300_001


def test_the_documents_client_hears_its_echo_and_a_file_to_its_end(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "example.mp3").write_bytes(bytes(range(256)) * (SIZE // 256) + bytes(SIZE % 256))
    with served(tmp_path, AUDIO_FILES_DIR=str(files)) as server:
        code = CLIENT.read_text().replace("localhost:8000", server.url.removeprefix("http://"))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    echo, *chunks = done.stdout.splitlines()
    assert (echo, done.stderr) == ("Received 32000 bytes back", "")
    assert all(line.startswith("Received audio chunk: ") for line in chunks)
    assert sum(int(line.split()[3]) for line in chunks) == SIZE
