import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.repeats import squeeze


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("哈哈哈哈哈哈哈哈", "哈哈哈"),
        ("哈哈哈", "哈哈哈"),
        ("加油加油加油加油加油加油", "加油加油"),
        ("加油加油加油", "加油加油加油"),
        ("加油！加油！加油！加油！", "加油！加油！"),
        ("欢迎来到直播间 欢迎来到直播间 欢迎来到直播间 欢迎来到直播间 好", "欢迎来到直播间 欢迎来到直播间 好"),
        ("sooooooo", "sooo"),
        ("hahahahaha", "haha"),
        ("banana Mississippi", "banana Mississippi"),
        ("13333333333", "13333333333"),
        ("幺三三三三三三三三", "幺三三三三三三三三"),
        ("12121212", "12121212"),
        ("一二一二一二一二", "一二一二一二一二"),
        ("abababcabababcabababcabababc" * 3, "abababcabababc"),
        ("", ""),
    ],
)
def test_repetition_is_shortened(text: str, shorter: str) -> None:
    assert squeeze(text) == shorter


@given(st.text(st.sampled_from("ab哈1一 ！"), max_size=80))
def test_what_is_short_stays_and_nothing_new_appears(text: str) -> None:
    shorter = squeeze(text)
    assert squeeze(shorter) == shorter
    assert len(shorter) <= len(text)
    assert set(shorter) == set(text)
