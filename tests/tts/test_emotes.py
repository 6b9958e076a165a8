import pytest

from app.tts.emotes import NAMES, drop_faces, drop_pictures, name_pictures, read_emotes


@pytest.mark.parametrize(
    "picture",
    ["😂", "👨\u200d👩\u200d👧", "🇨🇳", "👍🏽", "❤\ufe0f", "☦", "⭐", "1\ufe0f\u20e3", "🫠", "🏴\U000e0067\U000e007f"],
)
def test_emoji_leave_no_picture(picture: str) -> None:
    left = drop_pictures(f"好{picture}棒")
    assert {"好", "棒"} <= set(left)
    assert all(ord(character) < 0x2600 or character in "好棒\ufe0f\U000e0067\U000e007f" for character in left)


def test_exclamation_and_question_emoji_are_punctuation() -> None:
    assert drop_pictures("真的❓好❗") == "真的？好！"


def test_names_are_in_the_language_or_missing() -> None:
    assert name_pictures("😂", language="zh") == " 笑哭了 "
    assert name_pictures(":joy:", language="en") == " face_with_tears_of_joy "
    assert name_pictures("😂", language="vi") == "😂"
    assert name_pictures("a:b:c", language="en") == "a:b:c"


@pytest.mark.parametrize("face", ["(>_<)", "(´・ω・`)", "(｡･ω･｡)", "ヽ(￣▽￣)ノ", "（＾▽＾）", "(*≧▽≦)", "(^o^)"])
def test_faces_are_left_out(face: str) -> None:
    assert drop_faces(f"好{face}棒") == "好 棒"


@pytest.mark.parametrize("text", ["(真的)", "（笑）", "(ok)", "(3.5)", "(*重要*)", "(a)", "()", "((("])
def test_words_in_brackets_stay(text: str) -> None:
    assert drop_faces(text) == text


@pytest.mark.parametrize(
    "emote",
    [
        "[doge]",
        "[DOGE]",
        "[BILI_x]",
        ":joy:",
        ":pepe_laugh:",
        ":)",
        ";-)",
        "XD",
        "QAQ",
        "orz",
        "<3",
        "^_^",
        "-_-",
        "T_T",
    ],
)
def test_emotes_in_ascii_are_left_out(emote: str) -> None:
    assert read_emotes(f"好 {emote} 棒", names=None).split() == ["好", "棒"]


@pytest.mark.parametrize("text", ["[笑哭]", "[重要]通知", "名单:(张三)", "12:30:45", "a:b:c", "TATAMI", "1:p2", "3-_2"])
def test_what_only_looks_like_an_emote_stays(text: str) -> None:
    assert read_emotes(text, names=None) == text


def test_emotes_have_names() -> None:
    assert read_emotes("[doge][kappa]", names=NAMES["zh"]) == " 狗头  kappa "
    assert read_emotes("[热词_加油]", names=None) == " 加油 "
