"""What a call platform shall do with a call: actions of an NCCO (call control object), built out of plain values.

An NCCO is a list of them. An option that is None is left out, and the platform has its own default. Ranges are told
here and held at the door. Source: developer.vonage.com, "NCCO reference"; the tests hold every action to the models of
the package `vonage-voice`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit, urlunsplit

from app.calls.ncco_endpoint import Endpoint, phone_digits
from app.errors import InvalidInput

Action = dict[str, object]
Method = Literal["GET", "POST"]

SAMPLE_TEXT: Final = "This is a sample Vonage NCCO talk action."  # the document's words
MAX_TEXT: Final = 1500
"""Characters that the platform speaks."""
CALLBACK: Final = "/callback"


def event_url(host: str) -> str:
    """Return where a call platform reports to, of a server that is reached at `host`.

    It ends in exactly one `/callback`, whether `host` does or not. Without a scheme it is `https`.

    Raises:
        InvalidInput: it is no address of HTTP.
    """
    text = host.strip()
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or not text.isprintable() or " " in text:
        raise InvalidInput(f"'{host}' must be an address such as https://calls.example.org", field="HOST_NAME")
    path = parts.path.rstrip("/")
    while path.endswith(CALLBACK):
        path = path.removesuffix(CALLBACK).rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path + CALLBACK, "", ""))


def talk(
    text: str = SAMPLE_TEXT,
    *,
    language: str | None = None,
    style: int | None = None,
    premium: bool | None = None,
    level: float | None = None,
    loop: int | None = None,
    barge_in: bool | None = None,
) -> Action:
    """Speak a text of 1 to `MAX_TEXT` characters, or SSML.

    Args:
        text: what is spoken.
        language: BCP 47.
        style: which voice of the language, from 0.
        premium: whether it shall be one of the better voices.
        level: how loud, -1 to 1; 0 is as it is.
        loop: how often, 0 for ever.
        barge_in: whether the listener may interrupt it.
    """
    options = {"language": language, "style": style, "premium": premium}
    return _action("talk", text=text, **options, level=level, loop=loop, bargeIn=barge_in)


def connect(
    endpoint: Endpoint,
    *,
    event_url: str,
    caller: str | None = None,
    random_from_number: bool | None = None,
    timeout: int | None = None,
    limit: int | None = None,
    machine_detection: Literal["continue", "hangup"] | None = None,
    event_method: Method | None = None,
) -> Action:
    """Connect the call with an endpoint of `ncco_endpoint`.

    Args:
        endpoint: with whom.
        event_url: where it is reported how that goes.
        caller: phone number that is shown as who calls, one of the platform's account.
        random_from_number: whether that is any number of the account; without a caller, it is.
        timeout: seconds of ringing.
        limit: seconds of the call, at most 7200.
        machine_detection: what becomes of a call that an answering machine takes.
        event_method: how it is reported.

    Raises:
        InvalidInput: a caller that is no phone number, or one beside `random_from_number`.
    """
    shown: Action = {"randomFromNumber": random_from_number is not False}
    if caller is not None:
        digits = phone_digits(caller)
        if digits is None:
            raise InvalidInput(f"'{caller}' must be a phone number of 7 to 15 digits", field="from")
        if random_from_number:
            raise InvalidInput("from and randomFromNumber cannot both say who calls", field="randomFromNumber")
        shown = {"from": digits}
    bounds = {"timeout": timeout, "limit": limit, "machineDetection": machine_detection, "eventMethod": event_method}
    return _action("connect", endpoint=[endpoint], eventUrl=[event_url], **shown, **bounds)


def record(
    *,
    event_url: str,
    format: Literal["mp3", "wav", "ogg"] | None = None,
    split: Literal["conversation"] | None = None,
    channels: int | None = None,
    end_on_silence: int | None = None,
    end_on_key: str | None = None,
    time_out: int | None = None,
    beep_start: bool | None = None,
    event_method: Method | None = None,
) -> Action:
    """Record the call; it is reported where the recording is.

    Args:
        event_url: where to.
        format: of the file.
        split: `conversation` records who speaks and who is heard in channels of their own.
        channels: 1 to 32, which needs `split`, and brings it along.
        end_on_silence: seconds, 3 to 10.
        end_on_key: one of `0` to `9`, `*`, `#`.
        time_out: seconds of the recording, 3 to 7200.
        beep_start: whether a beep tells that it begins.
        event_method: how it is reported.
    """
    return _action(
        "record",
        format=format,
        split=split or ("conversation" if channels else None),
        channels=channels,
        endOnSilence=end_on_silence,
        endOnKey=end_on_key,
        timeOut=time_out,
        beepStart=beep_start,
        eventUrl=[event_url],
        eventMethod=event_method,
    )


def stream(url: str, *, level: float | None = None, loop: int | None = None, barge_in: bool | None = None) -> Action:
    """Play a file, mp3 or wav of 16 bits, that the platform fetches; the options are those of `talk`."""
    return _action("stream", streamUrl=[url], level=level, loop=loop, bargeIn=barge_in)


@dataclass(frozen=True, slots=True)
class Dtmf:
    """How keys are taken."""

    time_out: int | None = None
    """Seconds after the last one, 0 to 10."""
    max_digits: int | None = None
    """1 to 20."""
    submit_on_hash: bool | None = None


@dataclass(frozen=True, slots=True)
class Speech:
    """How words are taken."""

    language: str | None = None
    """BCP 47."""
    context: Sequence[str] = ()
    """Words that are expected."""
    end_on_silence: float | None = None
    """Seconds, 0.4 to 10."""
    start_timeout: int | None = None
    """Seconds, 1 to 60."""
    max_duration: int | None = None
    """Seconds, 1 to 60."""
    save_audio: bool | None = None
    sensitivity: int | None = None
    """10 to 100."""


def collect(
    *, event_url: str, dtmf: Dtmf | None = None, speech: Speech | None = None, event_method: Method | None = None
) -> Action:
    """Take keys, words or both from who is on the line (the action `input`), and report them.

    Raises:
        InvalidInput: neither.
    """
    taken: dict[str, Action] = {}
    if dtmf is not None:
        keys = {"timeOut": dtmf.time_out, "maxDigits": dtmf.max_digits, "submitOnHash": dtmf.submit_on_hash}
        taken["dtmf"] = _given(keys)
    if speech is not None:
        taken["speech"] = _given(
            {
                "language": speech.language,
                "context": list(speech.context) or None,
                "endOnSilence": speech.end_on_silence,
                "startTimeout": speech.start_timeout,
                "maxDuration": speech.max_duration,
                "saveAudio": speech.save_audio,
                "sensitivity": speech.sensitivity,
            }
        )
    if not taken:
        raise InvalidInput("an input must be of dtmf, speech or both", field="type")
    return _action("input", type=list(taken), **taken, eventUrl=[event_url], eventMethod=event_method)


def conversation(
    name: str,
    *,
    event_url: str,
    music_on_hold_url: str | None = None,
    start_on_enter: bool | None = None,
    end_on_exit: bool | None = None,
    record: bool | None = None,
    can_speak: Sequence[str] | None = None,
    can_hear: Sequence[str] | None = None,
    mute: bool | None = None,
    event_method: Method | None = None,
) -> Action:
    """Bring the call into a room, which is made if there is none of this name.

    Args:
        name: of the room.
        event_url: where its recording is reported.
        music_on_hold_url: what those hear who wait.
        start_on_enter: false for who waits for a moderator.
        end_on_exit: whether the room ends when this call leaves it.
        record: whether it is recorded.
        can_speak: ids of the calls that hear this one; None for all.
        can_hear: ids of the calls that this one hears; None for all.
        mute: whether nobody hears this one.
        event_method: how it is reported.

    Raises:
        InvalidInput: `mute` beside `can_speak`.
    """
    if can_speak and mute:
        raise InvalidInput("mute cannot stand beside canSpeak", field="mute")
    return _action(
        "conversation",
        name=name,
        musicOnHoldUrl=None if music_on_hold_url is None else [music_on_hold_url],
        startOnEnter=start_on_enter,
        endOnExit=end_on_exit,
        record=record,
        canSpeak=None if can_speak is None else list(can_speak),
        canHear=None if can_hear is None else list(can_hear),
        mute=mute,
        eventUrl=[event_url],
        eventMethod=event_method,
    )


def notify(payload: Mapping[str, object], *, event_url: str, event_method: Method | None = None) -> Action:
    """Have a payload reported when the call comes to this action."""
    return _action("notify", payload=dict(payload), eventUrl=[event_url], eventMethod=event_method)


def _action(action: str, **options: object) -> Action:
    return {"action": action, **_given(options)}


def _given(options: Mapping[str, object]) -> Action:
    return {name: value for name, value in options.items() if value is not None}
