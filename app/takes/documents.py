"""What is kept of takes and voices as one piece: JSON texts, which databases need not understand.

They are ASCII, so that they hold whatever a text may (PostgreSQL's own text has no character 0), and numbers come back
as they were: 1 as an integer, 1.0 not. What an older server left out, the nouns' defaults fill in.
"""

import json
from dataclasses import asdict, fields
from typing import Any, TypeVar

from app.takes.prosody import AffectProsody, Prosody, ProsodyKind, SignalProsody, SimpleProsody
from app.takes.shape import Shape
from app.takes.take import Recorded, TakeRequest, Webhook, Wording
from app.takes.voice import Design, VoiceGender, VoiceRequest

Document = dict[str, Any]
Flat = TypeVar("Flat", Shape, Webhook, SimpleProsody, AffectProsody, SignalProsody)


def dump_take_request(request: TakeRequest) -> str:
    """Write down what a client asks for."""
    return _text({**asdict(request), "wording": _wording_document(request.wording)})


def load_take_request(text: str) -> TakeRequest:
    """Read what `dump_take_request` wrote."""
    document = json.loads(text)
    return TakeRequest(_wording(document["wording"]), document["voice_id"], document.get("user_data"))


def dump_outcome(recorded: Recorded | None, error: str | None) -> str:
    """Write down what became of a take."""
    return _text({"recorded": asdict(recorded) if recorded else None, "error": error})


def load_outcome(text: str) -> tuple[Recorded | None, str | None]:
    """Read what `dump_outcome` wrote."""
    document = json.loads(text)
    recorded = document["recorded"]
    if recorded is not None:
        recorded = Recorded(recorded["duration"], recorded["audio_rate"], tuple(recorded["normalized_text"]))
    return recorded, document["error"]


def dump_voice_request(request: VoiceRequest) -> str:
    """Write down what a client asks for."""
    document = asdict(request)
    document["default_prosody"] = _prosody_document(request.default_prosody)
    document["example"] = _wording_document(request.example) if request.example else None
    return _text(document)


def load_voice_request(text: str) -> VoiceRequest:
    """Read what `dump_voice_request` wrote."""
    document = json.loads(text)
    return VoiceRequest(
        name=document["name"],
        model=document["model"],
        gender=VoiceGender(document["gender"]),
        description=document.get("description"),
        default_style=tuple(document.get("default_style", ())),
        default_prosody=_prosody(document.get("default_prosody")),
        example=_wording(document["example"]) if document.get("example") else None,
        done_webhook=_webhook(document.get("done_webhook")),
    )


def dump_design(design: Design) -> str:
    """Write down how a voice sounds."""
    return _text(asdict(design))


def load_design(text: str) -> Design:
    """Read what `dump_design` wrote."""
    document = json.loads(text)
    return Design(document["seed"], VoiceGender(document["gender"]), _fill(Shape, document.get("shape", {})))


def _text(document: Document) -> str:
    return json.dumps(document, separators=(",", ":"))


def _wording_document(wording: Wording) -> Document:
    return {**asdict(wording), "prosody": _prosody_document(wording.prosody)}


def _wording(document: Document) -> Wording:
    return Wording(
        text=document["text"],
        override_language=document.get("override_language"),
        style=tuple(document.get("style", ())),
        prosody=_prosody(document.get("prosody")),
        status_webhook=_webhook(document.get("status_webhook")),
        done_webhook=_webhook(document.get("done_webhook")),
    )


def _prosody_document(prosody: Prosody | None) -> Document | None:
    return {"kind": prosody.kind, **asdict(prosody)} if prosody else None


def _prosody(document: Document | None) -> Prosody | None:
    if document is None:
        return None
    match ProsodyKind(document["kind"]):
        case ProsodyKind.SIMPLE:
            return _fill(SimpleProsody, document)
        case ProsodyKind.AFFECT:
            return _fill(AffectProsody, document)
        case ProsodyKind.SIGNAL:
            return _fill(SignalProsody, document)


def _webhook(document: Document | None) -> Webhook | None:
    return _fill(Webhook, document) if document else None


def _fill(kind: type[Flat], document: Document) -> Flat:
    known = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in document.items() if name in known})
