"""SSML: markup in, segments of speech and pauses out. A subset of W3C Speech Synthesis Markup Language 1.1, pure.

| element | what of it |
|---|---|
| `speak` | the root, and nowhere else; `xml:lang` is the document's language |
| `p`, `s` | a pause between them; `xml:lang` |
| `break` | `time` (`500ms`, `1.5s`, up to 10 s), `strength` |
| `prosody` | `rate`, `pitch`, `range`, `volume`: `app.tts.prosody` |
| `emphasis` | `level` |
| `say-as` | `interpret-as`, `format`: `app.tts.say_as` |
| `sub` | `alias` is spoken instead of the content |
| `voice` | `name`, `gender`, `language` or `languages` or `xml:lang` |
| `lang` | `xml:lang` |
| `mark`, `meta`, `metadata`, `desc` | nothing is heard of them or within |
| `phoneme`, `token`, `w` | their content is spoken, their attributes are not looked at |
| of another namespace | likewise |
| `audio`, `lexicon`, `lookup` and any other | refused: they ask for something that would not be done |

Unknown attributes are ignored, and so are comments and processing instructions.

The markup is not trusted. Document type declarations are refused where they begin, so that there are no entities but
the five of XML, nothing grows and nothing is fetched; size, depth, pauses and the number of segments are bounded. The
parser is expat, which is linear in the size.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from xml.parsers import expat

from app.errors import InvalidInput
from app.tts.prosody import Prosody
from app.tts.score import Pause
from app.tts.speech import Gender

NAMESPACE = "http://www.w3.org/2001/10/synthesis"

MAX_CHARACTERS = 100_000
MAX_DEPTH = 32
MAX_SEGMENTS = 500
MAX_NAME_CHARACTERS = 200
MAX_PAUSE_SECONDS = 10.0
MAX_PAUSES_SECONDS = 60.0
"""Of all pauses of a document together."""

STRENGTHS = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.7, "x-strong": 1.2}
"""Seconds."""
SENTENCE_SECONDS, PARAGRAPH_SECONDS = 0.2, 0.5

_TIME = re.compile(r"\+?([0-9]{1,6}(?:\.[0-9]{0,6})?|\.[0-9]{1,6})(ms|s)", re.ASCII)
_TAG = re.compile(r"[A-Za-z]{1,8}(?:[-_][A-Za-z0-9]{1,8}){0,5}", re.ASCII)
_SKIPPED = frozenset({"desc", "mark", "meta", "metadata"})
_TRANSPARENT = frozenset({"phoneme", "token", "w"})
_KNOWN = "speak, p, s, break, prosody, emphasis, say-as, sub, voice, lang, mark, meta, metadata, phoneme, token, w"


@dataclass(frozen=True, slots=True)
class VoiceWish:
    """What is wished of a voice; None where nothing is."""

    name: str | None = None
    language: str | None = None
    """BCP 47."""
    gender: Gender | None = None


@dataclass(frozen=True, slots=True)
class SayAs:
    """How a text is to be read: the attributes of `say-as`."""

    interpret_as: str
    format: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """Text that is spoken in one manner."""

    text: str
    """As it was written; never blank."""
    prosody: Prosody = Prosody()
    voice: VoiceWish = VoiceWish()
    say_as: SayAs | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """What a markup says."""

    parts: tuple[Segment | Pause, ...]
    """In order; maybe without any segment."""
    language: str | None = None
    """BCP 47, as the root tells it."""

    @property
    def text(self) -> str:
        """Everything that is spoken, as it was written."""
        return " ".join(part.text for part in self.parts if isinstance(part, Segment))


@dataclass(frozen=True, slots=True)
class _Manner:
    """What an element passes on to what is in it."""

    prosody: Prosody = Prosody()
    voice: VoiceWish = VoiceWish()
    say_as: SayAs | None = None
    is_mute: bool = False


def parse(markup: str) -> Document:
    """Read a document.

    Raises:
        InvalidInput: no well-formed XML, a document type, an element outside the subset, a value that breaks a rule of
            its attribute, or more than the bounds of this file.
    """
    if len(markup) > MAX_CHARACTERS:
        raise _invalid(f"{len(markup)} characters of markup, {MAX_CHARACTERS} may be")
    reader = _Reader()
    try:
        reader.parser.Parse(markup, True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise _invalid(f"{what} in line {error.lineno}, column {error.offset + 1}") from None
    except UnicodeEncodeError:
        raise _invalid("a character that is none (half a surrogate pair)") from None
    return Document(tuple(reader.parts), reader.language)


@dataclass(slots=True)
class _Reader:
    """The document as far as it has been read."""

    parts: list[Segment | Pause] = field(default_factory=list)
    language: str | None = None
    parser: expat.XMLParserType = field(init=False)
    _manners: list[_Manner] = field(default_factory=lambda: [_Manner()])
    _prefixes: set[str] = field(default_factory=lambda: {""})
    _pending: float = 0.0
    """Seconds of the pause that comes if more text does."""
    _paused: float = 0.0

    def __post_init__(self) -> None:
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype

    def _refuse_doctype(self, *_: object) -> None:
        raise _invalid("a document type declaration is not accepted")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        depth = len(self._manners)
        if depth > MAX_DEPTH:
            raise _invalid(f"elements are nested more than {MAX_DEPTH} deep")
        self._note_prefixes(attributes)
        element = self._local(name)
        if (element == "speak") != (depth == 1):
            raise _invalid(f"the root is <{name[:40]}>, must be <speak>" if depth == 1 else "<speak> within <speak>")
        manner = self._manners[-1]
        if tag := _language(attributes.get("xml:lang", "")):
            if depth == 1:
                self.language = tag
            else:
                manner = replace(manner, voice=replace(manner.voice, language=tag, name=None))
        if element in ("p", "s"):
            self._separate(element)
        self._manners.append(self._entered(element, attributes, manner))

    def _end(self, name: str) -> None:
        self._manners.pop()
        element = self._local(name)
        if element in ("p", "s"):
            self._separate(element)

    def _text(self, data: str) -> None:
        manner = self._manners[-1]
        if not manner.is_mute:
            self._say(data, manner)

    def _entered(self, element: str | None, attributes: Mapping[str, str], manner: _Manner) -> _Manner:
        """Return the manner within an element, and do what its begin tag says."""
        match element:
            case "break":
                if not manner.is_mute:
                    self._pause(_seconds(attributes))
            case "prosody":
                return replace(manner, prosody=manner.prosody.changed(attributes))
            case "emphasis":
                return replace(manner, prosody=manner.prosody.emphasised(attributes.get("level", "").strip()))
            case "say-as":
                return replace(manner, say_as=_say_as(attributes))
            case "sub":
                if not manner.is_mute:
                    self._say(_required(attributes, "alias", "sub"), manner)
                return replace(manner, is_mute=True)
            case "voice":
                return replace(manner, voice=_wish(attributes, manner.voice))
            case None | "speak" | "p" | "s" | "lang":
                pass
            case _ if element in _SKIPPED:
                return replace(manner, is_mute=True)
            case _ if element not in _TRANSPARENT:
                raise _invalid(f"<{element[:40]}> is not supported; must be one of {_KNOWN}")
        return manner

    def _say(self, text: str, manner: _Manner) -> None:
        if not text.strip():
            self._space(text)
            return
        segment = Segment(text, manner.prosody, manner.voice, manner.say_as)
        before = self.parts[-1] if self.parts else None
        if self._pending:
            self._rest(self._pending)
        elif isinstance(before, Segment) and replace(before, text=text) == segment and segment.say_as is None:
            self.parts[-1] = replace(before, text=before.text + text)
            return
        if len(self.parts) >= MAX_SEGMENTS:
            raise _invalid(f"more than {MAX_SEGMENTS} segments and pauses")
        self.parts.append(segment)

    def _space(self, text: str) -> None:
        """Keep words apart that only white space between two elements parts."""
        before = self.parts[-1] if self.parts else None
        if text and not self._pending and isinstance(before, Segment) and not before.text[-1].isspace():
            self.parts[-1] = replace(before, text=before.text + " ")

    def _pause(self, seconds: float) -> None:
        """Pause because the document says so; that may also be where nothing follows."""
        self._pending = 0.0
        if seconds:
            self._rest(seconds)

    def _separate(self, element: str) -> None:
        """Pause because something new begins, if anything stands before it and no pause has been asked for."""
        if self.parts and isinstance(self.parts[-1], Segment):
            self._pending = max(self._pending, PARAGRAPH_SECONDS if element == "p" else SENTENCE_SECONDS)

    def _rest(self, seconds: float) -> None:
        self._pending = 0.0
        self._paused += seconds
        if self._paused > MAX_PAUSES_SECONDS:
            raise _invalid(f"more than {MAX_PAUSES_SECONDS:g} s of pauses")
        before = self.parts[-1] if self.parts else None
        if isinstance(before, Pause):
            self.parts[-1] = Pause(before.seconds + seconds)
        else:
            self.parts.append(Pause(seconds))

    def _note_prefixes(self, attributes: Mapping[str, str]) -> None:
        for name, value in attributes.items():
            if name.startswith("xmlns:") and value == NAMESPACE:
                self._prefixes.add(name.removeprefix("xmlns:"))

    def _local(self, name: str) -> str | None:
        """Return an element's name without its prefix, None if that is not SSML's."""
        prefix, _, local = name.rpartition(":")
        return local if prefix in self._prefixes else None


def _seconds(attributes: Mapping[str, str]) -> float:
    time = attributes.get("time", "").strip()
    if not time:
        strength = attributes.get("strength", "").strip() or "medium"
        if strength not in STRENGTHS:
            raise _invalid(f"strength '{strength[:40]}' of <break> must be {', '.join(STRENGTHS)}")
        return STRENGTHS[strength]
    match = _TIME.fullmatch(time)
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1) if match else -1.0
    if not 0 <= seconds <= MAX_PAUSE_SECONDS:
        raise _invalid(f"time '{time[:40]}' of <break> must be like 500ms or 1.5s, at most {MAX_PAUSE_SECONDS:g}s")
    return seconds


def _say_as(attributes: Mapping[str, str]) -> SayAs:
    return SayAs(_required(attributes, "interpret-as", "say-as"), attributes.get("format", ""))


def _wish(attributes: Mapping[str, str], surrounding: VoiceWish) -> VoiceWish:
    name = attributes.get("name", "").strip()[:MAX_NAME_CHARACTERS] or None
    languages = attributes.get("languages") or attributes.get("language") or attributes.get("xml:lang") or ""
    # SSML 1.1 lists languages by spaces, each with an accent perhaps: `zh en:US`
    tag = _language(next(iter(languages.replace(":", "-").split()), ""))
    gender = attributes.get("gender", "").strip().lower()
    if gender and gender not in tuple(Gender):
        raise _invalid(f"gender '{gender[:40]}' of <voice> must be {', '.join(Gender)}")
    if not (name or tag or gender):
        raise _invalid("<voice> must have a name, a gender or a language")
    return VoiceWish(name, tag or surrounding.language, Gender(gender) if gender else surrounding.gender)


def _language(tag: str) -> str | None:
    if tag and not _TAG.fullmatch(tag):
        raise _invalid(f"language '{tag[:40]}' must be a tag of BCP 47, such as zh-CN")
    return tag or None


def _required(attributes: Mapping[str, str], name: str, element: str) -> str:
    value = attributes.get(name, "").strip()
    if not value:
        raise _invalid(f"<{element}> must have a value of {name}")
    return value


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(f"SSML: {message}", field="text")
