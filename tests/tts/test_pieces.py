from functools import partial

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from app.tts.pieces import sentences, split
from tests.growth import assert_linear

ANY_TEXT = st.text(st.characters(exclude_categories=[])) | st.text(
    st.sampled_from("你好。！，？…“”「」 \n\tab.!?,'\"(3:-/@\u0301\u200d👩🇨🇳क्ำ각\ud800\u0600\r\x85Ａ１%$")
)
CHAT = st.text(st.sampled_from("你好。！，？…「」 \nabZ.!,3"))
SIZES = st.integers(1, 40)
LANGUAGES = st.sampled_from(["zh-CN", "en-US", "ja", "hi", "th", ""])
CONTENT = regex.compile(r"[^\s\p{P}\p{Z}\p{C}]")


def zh(text: str, size: int, first_size: int | None = None) -> list[str]:
    return split(text, size=size, language="zh-CN", first_size=first_size)


def en(text: str, size: int, first_size: int | None = None) -> list[str]:
    return split(text, size=size, language="en-US", first_size=first_size)


@given(ANY_TEXT, SIZES, LANGUAGES, st.none() | SIZES)
@example("\n", 1, "zh", 1)
@example("\U0001f1e8" * 9, 2, "zh", None)
def test_pieces_join_to_the_text_and_none_is_empty_or_too_long(
    text: str, size: int, language: str, first_size: int | None
) -> None:
    pieces = split(text, size=size, language=language, first_size=first_size)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= size for piece in pieces)


@given(ANY_TEXT, SIZES, LANGUAGES, st.none() | SIZES)
def test_no_blank_piece_that_could_ride_with_a_neighbour(
    text: str, size: int, language: str, first_size: int | None
) -> None:
    pieces = split(text, size=size, language=language, first_size=first_size)
    for left, right in zip(pieces, pieces[1:], strict=False):
        both_speak = CONTENT.search(left) and CONTENT.search(right)
        assert both_speak or len(left) + len(right) > size


@given(ANY_TEXT, SIZES, LANGUAGES)
def test_only_a_cluster_longer_than_the_size_is_cut(text: str, size: int, language: str) -> None:
    cuts = cut_positions(split(text, size=size, language=language))
    for cluster in regex.finditer(r"\X", text):
        assert not within(cuts, cluster.span()) or len(cluster[0]) > size


@given(CHAT, SIZES, LANGUAGES)
def test_only_a_word_or_number_longer_than_the_size_is_cut(text: str, size: int, language: str) -> None:
    cuts = cut_positions(split(text, size=size, language=language))
    for word in regex.finditer(r"[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*", text):
        assert not within(cuts, word.span()) or len(word[0]) > size


def cut_positions(pieces: list[str]) -> set[int]:
    ends, position = set(), 0
    for piece in pieces[:-1]:
        position += len(piece)
        ends.add(position)
    return ends


def within(cuts: set[int], span: tuple[int, int]) -> bool:
    return any(span[0] < cut < span[1] for cut in cuts)


def test_a_text_that_fits_is_one_piece_and_an_empty_one_none() -> None:
    assert zh("你好。世界。", 6) == ["你好。世界。"]
    assert zh("", 6) == []


def test_whole_sentences_are_packed() -> None:
    assert zh("你好。今天天气不错！我们走吧？好。", 12) == ["你好。今天天气不错！", "我们走吧？好。"]
    assert en("One two. Three. Four five six.", 16) == ["One two. Three. ", "Four five six."]


def test_a_long_sentence_is_cut_at_clauses_then_spaces_then_between_characters() -> None:
    assert zh("今天天气不错，我们去公园散步吧。", 12) == ["今天天气不错，", "我们去公园散步吧。"]
    assert en("this is far too long", 12) == ["this is far ", "too long"]
    assert zh("今天天气不错我们去公园", 5) == ["今天天气不", "错我们去公", "园"]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("“别走！”他说他真的走了。", "“别走！”"),
        ("「行こう。」と言った。そして", "「行こう。」"),
        ("（真的吗？）我不信我不信", "（真的吗？）"),
        ("什么？！不可能不可能不可能", "什么？！"),
        ("好吧…………那就这样吧那就", "好吧…………"),
        ("第一行\n第二行第二行第二行", "第一行\n"),
    ],
)
def test_marks_and_closing_quotes_stay_with_their_sentence(text: str, first: str) -> None:
    assert zh(text, 9)[0] == first


@pytest.mark.parametrize(
    "sentence",
    [
        "Dr. Smith is in. ",
        "He paid $3.50 for it. ",
        "It is the U.S. Army here. ",
        "We met J. K. Rowling. ",
        'She said "Go!" and left. ',
        "Use e.g. Python here. ",
        "It was approx. five. ",
        "It is at 5 p.m. Monday. ",
        "(Really?) he asked. ",
    ],
)
def test_stops_inside_an_english_sentence_do_not_end_it(sentence: str) -> None:
    tail = "And so on it goes."
    assert en(sentence + tail, len(sentence) + 5) == [sentence, tail]


def test_numbers_urls_and_words_stay_whole() -> None:
    assert zh("电话13812345678，价1,000,000.5元", 11) == ["电话", "13812345678", "，价", "1,000,000.5", "元"]
    assert en("go https://a.example/b?c=1,2.d now", 28) == ["go ", "https://a.example/b?c=1,2.d ", "now"]
    assert en("it's well-known", 10) == ["it's ", "well-known"]
    assert zh("时间12:30开始", 6) == ["时间", "12:30开", "始"]


def test_what_alone_exceeds_the_size_is_cut_hard() -> None:
    assert en("a " + "b" * 7, 3) == ["a ", "bbb", "bbb", "b"]
    assert zh("👨\u200d👩\u200d👧好", 2) == ["👨\u200d", "👩\u200d", "👧好"]


def test_a_closing_mark_takes_a_character_along_rather_than_stand_alone() -> None:
    assert zh("你好世界你好世界！！", 8) == ["你好世界你好世", "界！！"]
    assert zh("！！！ 你好世界你好世界", 8) == ["！！！ 你好世界", "你好世界"]


def test_the_first_piece_ends_at_the_first_mark() -> None:
    assert zh("好，今天我们来玩游戏。大家开心吗？", 100, first_size=8) == ["好，", "今天我们来玩游戏。大家开心吗？"]
    assert en("Well, let us see. Then go.", 100, first_size=8) == ["Well, ", "let us see. Then go."]
    assert zh("今天我们大家一起来玩这个游戏吧，好不好？", 100, first_size=8)[0] == "今天我们大家一起来玩这个游戏吧，"


def test_without_a_mark_the_first_piece_is_not_cut_inside_a_phrase() -> None:
    text = "今天我们大家一起来玩这个游戏吧"
    assert zh(text, 100, first_size=4) == [text]


def test_a_text_no_longer_than_the_first_size_stays_whole() -> None:
    assert zh("好，来吧。", 100, first_size=8) == ["好，来吧。"]


@pytest.mark.parametrize(("size", "first_size"), [(0, None), (-1, None), (5, 0)])
def test_sizes_below_one_are_refused(size: int, first_size: int | None) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        zh("你好", size, first_size)


@pytest.mark.parametrize(
    "unit",
    [
        "🇨🇳",
        "a\u0301",
        "(“",
        "“a. ",
        "a! ",
        "http://",
        "…",
        " ",
        "\n",
        "a.",
        "1,",
        "a'",
        '"',
        "-1",
        "क्",
        "\u0600",
        ". ",
        "$",
    ],
)
def test_work_grows_as_the_text_does(unit: str) -> None:
    small, large = ((unit * size)[:size] for size in (5_000, 40_000))
    assert_linear(partial(split, size=1000, language="en-US", first_size=8), small, large)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("你好。今天？ 好", "zh-CN", ["你好。", "今天？ ", "好"]),
        ("Dr. Smith is in. Really?! Yes", "en-US", ["Dr. Smith is in. ", "Really?! ", "Yes"]),
        ("one line\n\nanother", "en-US", ["one line\n\n", "another"]),
        ("end. ", "en-US", ["end. "]),
        ("", "en-US", []),
    ],
)
def test_sentences_with_the_white_space_behind_them(text: str, language: str, expected: list[str]) -> None:
    assert sentences(text, language=language) == expected


@given(st.text("ab。. !\n？", max_size=60), st.sampled_from(["zh-CN", "en-US"]))
def test_sentences_join_to_the_text(text: str, language: str) -> None:
    found = sentences(text, language=language)
    assert "".join(found) == text and all(found)
