"""Makes an XTTS model that is small and random, and complete: `python tiny_xtts.py FOLDER`, with coqui-tts installed.

Two layers, 64 wide; the rest is the vocoder, whose 22.7 million numbers no setting makes fewer. It speaks noise. Like
the published one it has its configuration pickled in it, under the names that the classes had then.
"""

import string
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from TTS.tts.configs.xtts_config import XttsArgs, XttsAudioConfig, XttsConfig
from TTS.tts.models.xtts import Xtts


def vocabulary(config: XttsConfig) -> Tokenizer:
    languages = [f"[{code}]" for code in config.languages]
    words = ["[STOP]", "[UNK]", "[SPACE]", "[START]", *languages, *string.ascii_lowercase, *string.digits, *"'.,!?-"]
    tokenizer = Tokenizer(BPE(vocab={word: number for number, word in enumerate(words)}, merges=[], unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[STOP]", "[UNK]", "[SPACE]", "[START]", *languages])
    return tokenizer


def make(folder: Path) -> None:
    torch.manual_seed(1)
    arguments = XttsArgs(
        gpt_layers=2,
        gpt_n_model_channels=64,
        gpt_n_heads=2,
        gpt_max_audio_tokens=60,
        gpt_use_perceiver_resampler=True,
        decoder_input_dim=64,
        gpt_num_audio_tokens=1026,
        gpt_start_audio_token=1024,
        gpt_stop_audio_token=1025,
    )
    config = XttsConfig(model_args=arguments)
    tokenizer = vocabulary(config)
    tokenizer.save(str(folder / "vocab.json"))
    config.model_args.gpt_number_text_tokens = tokenizer.get_vocab_size()
    config.model_args.gpt_start_text_token = tokenizer.token_to_id("[START]")
    config.model_args.gpt_stop_text_token = tokenizer.token_to_id("[STOP]")
    config.save_json(str(folder / "config.json"))
    network = Xtts(config)
    XttsArgs.__module__ = XttsAudioConfig.__module__ = Xtts.__module__
    weights = {**network.state_dict(), "dvae.weight": torch.zeros(1)}
    torch.save({"model": weights, "config": config}, folder / "model.pth")
    width = {"gpt_cond_latent": torch.randn(1, 32, 64), "speaker_embedding": torch.randn(1, 512, 1)}
    torch.save({"Claribel Dervla": width}, folder / "speakers_xtts.pth")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
