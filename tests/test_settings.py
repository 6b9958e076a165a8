import re
from pathlib import Path

from app.settings import Settings

EXAMPLE = Path(__file__).parents[1] / ".env.example"


def listed() -> dict[str, str]:
    return dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


def described() -> dict[str, str]:
    found = re.findall(r"^# (.+)\n#([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    return {name: description for description, name in found}


def test_every_setting_is_in_the_example_and_nothing_else():
    assert set(listed()) == {name.upper() for name in Settings.model_fields}


def test_the_example_says_what_the_setting_says():
    assert described() == {name.upper(): field.description for name, field in Settings.model_fields.items()}


def test_the_example_shows_the_defaults(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in listed().items()))
    assert Settings() == Settings(_env_file=None)


def test_lists_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("TTS_BACKENDS", "tone, espeak,")
    assert Settings(_env_file=None).tts_backends == ("tone", "espeak")
