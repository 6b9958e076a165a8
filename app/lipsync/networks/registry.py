"""The networks there are, and under which names their checkpoints are looked for. Pure."""

from collections.abc import Mapping
from pathlib import Path

from app.lipsync.networks import nota, wav2lip
from app.lipsync.networks.plan import Plan

PLANS: Mapping[str, Plan] = {plan.name: plan for plan in (nota.PLAN, wav2lip.PLAN)}

FOLDER = "lipsync"
"""Within the models' folder."""
FILES: Mapping[str, tuple[str, ...]] = {
    nota.PLAN.name: ("lrs3-nota-wav2lip.pth",),
    wav2lip.PLAN.name: (
        "wav2lip_gan.pth",
        "Wav2Lip-SD-GAN.pt",
        "lrs3-wav2lip.pth",
        "wav2lip.pth",
        "Wav2Lip-SD-NOGAN.pt",
    ),
}
"""By the names under which they were published. Those trained with a discriminator of pictures come first: they are
sharper, and a little less exact."""


def find_checkpoint(models: Path, name: str) -> Path | None:
    """Return the first checkpoint that is there of a network, None if there is none."""
    paths = (models / FOLDER / file for file in FILES[name])
    return next((path for path in paths if path.is_file()), None)
