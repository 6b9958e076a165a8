"""The Wav2Lip that Nota AI compressed: 1,258,143 parameters, 23 convolutions.

Kim et al., "A Unified Compression Framework for Efficient Speech-Driven Talking-Face Generation", 2023
(github.com/Nota-NetsPresso/nota-wav2lip): no residual layers, and a quarter of the channels or less.
"""

from app.lipsync.networks.plan import conv, double, grow, plan

PLAN = plan(
    "nota_wav2lip",
    face=[
        [conv(4, 7, padding=3)],
        [conv(8, stride=2)],
        [conv(16, stride=2)],
        [conv(32, stride=2)],
        [conv(64, stride=2)],
        [conv(128, stride=2)],
        [conv(128, padding=0), conv(128, 1, padding=0)],
    ],
    audio=[
        conv(8),
        conv(16, stride=(3, 1)),
        conv(32, stride=3),
        conv(64, stride=(3, 2)),
        conv(128, padding=0),
        conv(128, 1, padding=0),
    ],
    decoder=[
        [conv(128, 1, padding=0)],
        [grow(128)],
        [double(128)],
        [double(96)],
        [double(64)],
        [double(32)],
        [double(16)],
    ],
    output=conv(8),
)
