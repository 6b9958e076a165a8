"""What the names of voices say of their gender, so that a stand-in sounds like whom it stands in for."""

import re

from app.tts.speech import Gender

_MALE_NAMES = frozenset(
    """
    ahmet aleksandar alonso alvaro andrew angelo antoine antonin antonio ardi asad ash avri ballad bashkar
    bongjin borislav brian christopher connor conrad daichi davis diego dmitry duarte echo emil eric fable farid
    finn florian giorgi giuseppe gonzalo gookmin guy hamed harri henri hyunsu injoon jajan james jan jason jean
    jeppe jonas jorge keita killian liam luke maarten madhur marek mattias mitchell mohan namminh naoki nestoras
    nicholas niwat onyx osman ostap piseth prabhat remy roger ryan sam shakir steffan tamas thierry thiha thomas
    tomas tony valluvar verse wanlung wayne william
    """.split()  # noqa: SIM905 a list of words reads best as words
)
"""Male voices of Microsoft's and OpenAI's services, by the name within their ids, besides all of Yun-."""

_VARIANT = re.compile(r"[a-z-]+\+([fm])\d+")
_PREFIX = re.compile(r"[a-z]([fm])_\w+")
_SUFFIX = re.compile(r"(multilingual|expressive)?(neural)?$")


def gender_of(voice_id: str) -> Gender:
    """Tell the gender that an id shows: `zh-CN-YunxiNeural`, `onyx`, `cmn+f2`, `zm_yunxi`; neutral if it shows none."""
    if match := _VARIANT.fullmatch(voice_id) or _PREFIX.fullmatch(voice_id):
        return Gender.FEMALE if match[1] == "f" else Gender.MALE
    name = _SUFFIX.sub("", voice_id.rpartition("-")[2].lower())
    return Gender.MALE if name.startswith("yun") or name in _MALE_NAMES else Gender.NEUTRAL


def is_male(voice_id: str) -> bool:
    """Tell whether an id shows that its voice is male."""
    return gender_of(voice_id) is Gender.MALE
