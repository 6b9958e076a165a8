import struct

import pytest

from app.audio.decode import announced_seconds
from app.audio.encode import Encoder, encode
from app.audio.format import Format
from app.audio.mp4 import aac_rate, aac_track
from app.errors import InvalidAudio
from tests.audio.signals import chirp_pcm

PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"moof", b"traf"}


def whole_file() -> bytes:
    return encode(chirp_pcm(), sample_rate=24_000, format=Format.M4A).data


def fragmented_file() -> bytes:
    encoder = Encoder(sample_rate=24_000, format=Format.M4A)
    return encoder.write(chirp_pcm()) + encoder.finish()


def adts_packets() -> list[bytes]:
    """The same sound from the same encoder, where each packet says its own length (ISO/IEC 13818-7 6.2)."""
    data = encode(chirp_pcm(), sample_rate=24_000, format=Format.AAC).data
    packets = []
    while data:
        size = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
        packets.append(data[7:size])
        data = data[size:]
    return packets


def rebuilt(data: bytes, changes: dict[bytes, bytes | None]) -> bytes:
    """Give the boxes named in `changes` another content, or leave them out, with all sizes right again."""
    out = b""
    while data:
        size, name = struct.unpack_from(">I4s", data)
        content = data[8:size]
        data = data[size:]
        if name in changes:
            content = changes[name]
        elif name in PARENTS:
            content = rebuilt(content, changes)
        if content is not None:
            out += struct.pack(">I4s", 8 + len(content), name) + content
    return out


def content_of(data: bytes, name: bytes) -> bytes:
    at = data.index(name)
    (size,) = struct.unpack_from(">I", data, at - 4)
    return data[at + 4 : at - 4 + size]


def packets_of(data: bytes, limit: int = 10**6) -> list[bytes]:
    track = aac_track(data)
    return [packet for packet, _ in zip(track.packets, range(limit), strict=False)]


@pytest.mark.parametrize("make", [whole_file, fragmented_file])
def test_the_packets_are_those_of_the_encoder(make):
    found = packets_of(make())

    assert [len(packet) for packet in found] == [len(packet) for packet in adts_packets()]
    assert found[5:] == adts_packets()[5:]


@pytest.mark.parametrize("make", [whole_file, fragmented_file])
def test_the_track_tells_its_codec_and_its_padding(make):
    track = aac_track(make())

    assert track.config[:2] == b"\x13\x08"  # AAC LC, 24 kHz, one channel
    assert track.padding == 1024 / 24_000


def test_a_file_without_an_edit_list_has_no_padding():
    assert aac_track(rebuilt(whole_file(), {b"edts": None})).padding == 0
    assert aac_track(rebuilt(whole_file(), {b"elst": bytes(8)})).padding == 0


def test_an_edit_list_of_64_bits_is_read():
    wide = struct.pack(">B3xIQqI", 1, 1, 0, 2048, 0x10000)

    assert aac_track(rebuilt(whole_file(), {b"elst": wide})).padding == 2048 / 24_000


def test_an_empty_edit_is_no_padding():
    empty = struct.pack(">IIIiI", 0, 1, 0, -1, 0x10000)

    assert aac_track(rebuilt(whole_file(), {b"elst": empty})).padding == 0


def test_chunk_offsets_of_64_bits_are_read():
    data = whole_file()
    count, *offsets = struct.unpack(f">4x{len(content_of(data, b'stco')) // 4 - 1}I", content_of(data, b"stco"))
    # `co64` is longer than `stco`, but the tables come after the sound, so that no offset moves.
    wide = struct.pack(f">4xI{count}Q", count, *offsets)

    moved = rebuilt(data, {b"stco": wide}).replace(b"stco", b"co64")

    assert packets_of(moved) == packets_of(data)


def test_a_box_with_a_64_bit_size_is_walked_over():
    large = struct.pack(">I4sQ", 1, b"free", 24) + bytes(8)

    assert len(packets_of(fragmented_file() + large + fragmented_file()[-8:])) == len(adts_packets())


def test_a_truncated_file_gives_the_packets_that_are_whole():
    data = fragmented_file()

    found = packets_of(data[: len(data) // 2])

    assert 0 < len(found) < len(adts_packets())
    assert [len(packet) for packet in found] == [len(packet) for packet in adts_packets()][: len(found)]


@pytest.mark.parametrize(
    "changes",
    [
        {b"stsz": struct.pack(">4xII", 1, 60_000_000)},
        {b"stsz": struct.pack(">4xII", 1, 60_000_000), b"stsc": struct.pack(">4xIIII", 1, 1, 0xFFFFFFFF, 1)},
        {b"stsz": struct.pack(">4xII", 0, 60_000_000)},
        {b"stsz": struct.pack(">4xII", 0, 3) + bytes(12), b"stsc": bytes(8)},
        {b"stsz": b""},
        {b"stsz": None},
        {b"stco": struct.pack(">4xII", 1, 0xFFFFFFF0)},
    ],
)
def test_tables_that_lie_end_at_the_end_of_the_file(changes):
    data = rebuilt(whole_file(), changes)

    assert len(packets_of(data)) <= len(data)


def test_packets_that_cannot_be_apart_tell_no_length():
    data = rebuilt(
        fragmented_file(), {b"trun": struct.pack(">II", 0, 60_000_000), b"tfhd": struct.pack(">III", 16, 1, 1)}
    )

    assert announced_seconds(data) is None


def test_runs_of_several_lengths_follow_the_chunks():
    sizes = struct.pack(">4xIIIII", 0, 3, 10, 20, 30)
    runs = struct.pack(">4xI6I", 2, 1, 2, 1, 2, 1, 1)
    offsets = struct.pack(">4xIII", 2, 100, 500)
    data = rebuilt(whole_file(), {b"stsz": sizes, b"stsc": runs, b"stco": offsets})

    assert packets_of(data) == [data[100:110], data[110:130], data[500:530]]


@pytest.mark.parametrize("count", [1, 60_000_000])
def test_a_fragment_that_claims_packets_of_equal_size_ends_with_the_file(count):
    data = rebuilt(fragmented_file(), {b"trun": struct.pack(">II", 0, count), b"tfhd": struct.pack(">III", 0x10, 1, 7)})

    found = packets_of(data)

    assert all(len(packet) == 7 for packet in found)
    assert len(found) <= data.count(b"trun") * len(data) / 7


def test_a_fragment_may_say_where_its_data_begins():
    head = struct.pack(">IIQIII", 0x01 | 0x02 | 0x08 | 0x10, 1, 100, 1, 1024, 7)
    data = rebuilt(fragmented_file(), {b"trun": struct.pack(">III", 0x5, 1, 3) + bytes(4), b"tfhd": head})

    assert set(packets_of(data)) == {data[103:110]}


@pytest.mark.parametrize(
    "changes",
    [
        {b"tfhd": struct.pack(">II", 0x20000, 2)},
        {b"tfhd": None},
        {b"trun": struct.pack(">II", 0, 100), b"tfhd": struct.pack(">II", 0, 1)},
        {b"trun": struct.pack(">II", 0x200, 100)},
        {b"trun": struct.pack(">IIi", 0x1, 100, -(2**31))},
    ],
)
def test_a_fragment_of_another_track_or_of_nothing_gives_nothing(changes):
    assert packets_of(rebuilt(fragmented_file(), {b"mvex": None, **changes})) == []


def quicktime(data: bytes, version: int) -> bytes:
    """Nest the sample description as QuickTime does, where version 1 and 2 of it are longer."""
    described = content_of(data, b"stsd")
    esds = b"esds" + content_of(data, b"esds")
    esds = struct.pack(">I", len(esds) + 4) + esds
    sample = described[16:24] + struct.pack(">H", version) + described[26:44] + bytes({1: 16, 2: 36}[version])
    wave = struct.pack(">I4s", 8 + len(esds), b"wave") + esds
    entry = struct.pack(">I4s", 8 + len(sample + wave), b"mp4a") + sample + wave
    return rebuilt(data, {b"stsd": described[:8] + entry})


@pytest.mark.parametrize("version", [1, 2])
def test_the_description_of_quicktime_is_read(version):
    assert aac_track(quicktime(whole_file(), version)).config == aac_track(whole_file()).config


def described_by(descriptor: bytes) -> bytes:
    data = whole_file()
    described = content_of(data, b"stsd")
    esds = struct.pack(">I4s4x", 12 + len(descriptor), b"esds") + descriptor
    entry = described[16:44] + esds
    return rebuilt(data, {b"stsd": described[:8] + struct.pack(">I4s", 8 + len(entry), b"mp4a") + entry})


def test_optional_fields_of_the_descriptor_are_walked_over():
    info = b"\x05\x02\x13\x08"
    decoder = bytes([4, 13 + len(info), 0x40]) + bytes(12) + info
    es = b"\x00\x01\xa0" + bytes(4) + decoder

    assert aac_track(described_by(bytes([3, len(es)]) + es)).config == b"\x13\x08"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0\0\0\x08ftyp", "no sound track"),
        (rebuilt(whole_file(), {b"moov": None}), "no sound track"),
        (rebuilt(whole_file(), {b"hdlr": bytes(8) + b"vide" + bytes(12)}), "no sound track"),
        (rebuilt(whole_file(), {b"hdlr": None}), "no sound track"),
        (rebuilt(whole_file(), {b"tkhd": None}), "a box is missing"),
        (rebuilt(whole_file(), {b"mdhd": b"\0"}), "damaged tables"),
        (rebuilt(whole_file(), {b"mdhd": b""}), "damaged tables"),
        (rebuilt(whole_file(), {b"stsd": bytes(8)}), "holds 'nothing'"),
        (rebuilt(whole_file(), {b"stsd": bytes(8) + struct.pack(">I4s", 8, b"alac")}), "holds 'alac'"),
        (described_by(b""), "descriptor 3 is missing"),
        (described_by(b"\x03\x80\x80\x80\x80"), "descriptor 3 has no end"),
        (described_by(b"\x03\x05\0\0\0\x04\x00"), "object type 0x"),
        (described_by(b"\x03\x06\0\0\0\x04\x01\x6b"), "object type 0x6b"),
    ],
)
def test_a_file_without_an_aac_track_is_refused(data, message):
    with pytest.raises(InvalidAudio, match=message):
        aac_track(data)


def test_a_track_without_a_clock_has_no_padding():
    assert aac_track(rebuilt(whole_file(), {b"mdhd": bytes(24)})).padding == 0


@pytest.mark.parametrize(("config", "rate"), [("1190", 48_000), ("1210", 44_100), ("1408", 16_000)])
def test_a_configuration_tells_its_rate_by_an_index(config, rate):
    assert aac_rate(bytes.fromhex(config)) == rate


def test_a_configuration_may_have_the_rate_itself():
    assert aac_rate(b"\x17" + (1 << 31 | 23_456 << 7).to_bytes(4)) == 23_456


@pytest.mark.parametrize("config", ["", "11", "1680", "1780"])
def test_a_configuration_without_a_rate_is_refused(config):
    with pytest.raises(InvalidAudio):
        aac_rate(bytes.fromhex(config))
