"""espeak-ng 1.52 by ctypes: the library's calls, and nothing of how they are used.

The library keeps its state in globals and crashes when two threads meet in it, so there is one `Engine` in a
process, used by one thread. Its header is `speak_lib.h` (and `espeak_ng.h` for `espeak_ng_InitializeOutput`).
Only the standard library is imported, and little of it, because every worker process pays for it.
"""

import ctypes
from collections.abc import Callable, Iterator

SAMPLE_RATE = 22050
"""Hz, of all data that espeak-ng 1.52 is delivered with."""

_SYNCHRONOUS = 2
"""AUDIO_OUTPUT_SYNCHRONOUS: `espeak_Synth` returns when the callback has had all of the audio."""
_NG_SYNCHRONOUS = 1
"""ENOUTPUT_MODE_SYNCHRONOUS, the same for `espeak_ng_InitializeOutput`."""
_DONT_EXIT = 0x8000
"""espeakINITIALIZE_DONT_EXIT: report missing data instead of ending the process."""
_CHARS_UTF8 = 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_LIST_TERMINATED = 0
"""espeakEVENT_LIST_TERMINATED."""
_GENDERS = {1: "male", 2: "female"}
_NOTHING = b" "
_ECHO_BUFFER_MS = 1000
"""More than the longest echo: its delay is kept in one byte of milliseconds."""

_NOT_TEXT = bytes.maketrans(bytes((*range(9), *range(11, 32), 127)), b" " * 31)
"""Control characters become spaces: NUL would end the text, and 1 begins a command (speak_lib's embedded commands)."""

Notice = Callable[[int, int, int, int, bytes], None]

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class _Voice(ctypes.Structure):
    """espeak_VOICE."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    ]


class _Event(ctypes.Structure):
    """espeak_EVENT; `name` is the member `string` of its union `id`."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    ]


class Engine:
    """The one engine of this process.

    Raises:
        OSError: the library or its data cannot be loaded.
    """

    def __init__(self, library: str, data: str) -> None:
        self._library = ctypes.CDLL(library)
        self._library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        self._buffer_ms = 0
        self._hear: Callable[[bytes], bool] = _ignore
        self._notice: Notice | None = None
        self._failure: OSError | MemoryError | None = None
        self._last_count = 0
        if self._library.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _DONT_EXIT) != SAMPLE_RATE:
            raise OSError(f"espeak-ng finds no data that it can use in {data}")
        self._callback = _Callback(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def voices(self) -> Iterator[tuple[str, str, list[tuple[int, str]], str]]:
        """Yield identifier, name, languages with their priority (lower is better), and gender of each voice."""
        return self._list(None)

    def variants(self) -> Iterator[tuple[str, str, list[tuple[int, str]], str]]:
        """Yield the same of each variant, which changes the sound of a voice: `voice+variant`."""
        wanted = ctypes.create_string_buffer(b"variant\0")
        return self._list(ctypes.byref(_Voice(languages=ctypes.addressof(wanted))))

    def set_voice(self, name: str) -> bool:
        """Choose the voice with this identifier, language or name, maybe with `+variant`; False: there is none.

        An unknown variant is silently ignored by the library.
        """
        return bool(self._library.espeak_SetVoiceByName(name.encode()) == 0)

    def set_prosody(self, *, words_per_minute: int, pitch: int, pitch_range: int, volume: int) -> None:
        """Set rate (80…450), pitch and range of pitch (0…100, normally 50) and volume (0…200, normally 100)."""
        for parameter, value in (
            (_RATE, words_per_minute),
            (_PITCH, pitch),
            (_RANGE, pitch_range),
            (_VOLUME, volume),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)

    def speak(
        self, text: bytes, hear: Callable[[bytes], bool], *, buffer_ms: int, notice: Notice | None = None
    ) -> None:
        """Speak plain UTF-8 text; `hear` gets int16 PCM of `buffer_ms` at a time and returns whether to go on.

        `notice`, if there is one, gets the events that lie in the PCM, before it: type, place in the text in characters
        from 1, length in characters, time in samples from the beginning, name of a phoneme in IPA.

        No markup and no command in the text is obeyed. What `hear` raises, if it is an OSError or MemoryError, ends the
        speech and is raised here.

        Some variants have an echo, of which the library drops what does not fit into the last buffer. A last buffer
        that is full is the sign of it, and speaking nothing brings the rest.
        """
        self._hear, self._notice, self._failure = hear, notice, None
        self._library.espeak_ng_SetPhonemeEvents(notice is not None, notice is not None)
        self._synthesize(text.translate(_NOT_TEXT), buffer_ms)
        if self._last_count >= buffer_ms * SAMPLE_RATE // 1000:
            self._notice = None
            self._synthesize(_NOTHING, _ECHO_BUFFER_MS)
        self._hear = _ignore
        if self._failure:
            raise self._failure

    def _synthesize(self, clean: bytes, buffer_ms: int) -> None:
        if buffer_ms != self._buffer_ms:
            self._library.espeak_ng_InitializeOutput(_NG_SYNCHRONOUS, buffer_ms, None)
            self._buffer_ms = buffer_ms
        self._last_count = 0
        self._library.espeak_Synth(clean, len(clean) + 1, 0, 1, 0, _CHARS_UTF8, None, None)

    def _take(self, address: int | None, count: int, events: int | None) -> int:
        """Be the library's callback: 1 ends the speech. No exception can cross the C code."""
        if events and self._notice:
            self._tell(events, self._notice)
        if not address or count <= 0:
            return 0
        try:
            wanted = self._hear(ctypes.string_at(address, 2 * count))
        except (OSError, MemoryError) as failure:
            self._failure, wanted = failure, False
        self._last_count = count if wanted else 0
        return 0 if wanted else 1

    def _tell(self, address: int, notice: Notice) -> None:
        while (event := _Event.from_address(address)).type != _LIST_TERMINATED:
            notice(event.type, event.text_position, event.length, event.sample, event.name)
            address += ctypes.sizeof(_Event)

    def _list(self, wanted: object) -> Iterator[tuple[str, str, list[tuple[int, str]], str]]:
        found = self._library.espeak_ListVoices(wanted)
        index = 0
        while found[index]:
            voice = found[index].contents
            yield (
                voice.identifier.decode(),
                voice.name.decode().strip(),
                list(_languages(voice.languages)),
                _GENDERS.get(voice.gender, "neutral"),
            )
            index += 1


def _languages(address: int) -> Iterator[tuple[int, str]]:
    """Read a list of: one byte of priority, a zero-terminated name; a priority of zero ends it."""
    while priority := ctypes.c_ubyte.from_address(address).value:
        name = ctypes.string_at(address + 1)
        yield priority, name.decode()
        address += len(name) + 2


def _ignore(pcm: bytes) -> bool:
    return False
