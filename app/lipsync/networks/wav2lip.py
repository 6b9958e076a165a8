"""Wav2Lip as it was published (github.com/Rudrabha/Wav2Lip, models/wav2lip.py): 36,298,035 parameters, 51 convolutions.

The repository that published the small network has the same large one, so checkpoints of both fit.
"""

from app.lipsync.networks.plan import conv, double, grow, plan, same

PLAN = plan(
    "wav2lip",
    face=[
        [conv(16, 7, padding=3)],
        [conv(32, stride=2), same(32), same(32)],
        [conv(64, stride=2), same(64), same(64), same(64)],
        [conv(128, stride=2), same(128), same(128)],
        [conv(256, stride=2), same(256), same(256)],
        [conv(512, stride=2), same(512)],
        [conv(512, padding=0), conv(512, 1, padding=0)],
    ],
    audio=[
        conv(32),
        same(32),
        same(32),
        conv(64, stride=(3, 1)),
        same(64),
        same(64),
        conv(128, stride=3),
        same(128),
        same(128),
        conv(256, stride=(3, 2)),
        same(256),
        conv(512, padding=0),
        conv(512, 1, padding=0),
    ],
    decoder=[
        [conv(512, 1, padding=0)],
        [grow(512), same(512)],
        [double(512), same(512), same(512)],
        [double(384), same(384), same(384)],
        [double(256), same(256), same(256)],
        [double(128), same(128), same(128)],
        [double(64), same(64), same(64)],
    ],
    output=conv(32),
)
