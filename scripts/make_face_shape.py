"""Makes app/lipsync/face_shape.npy anew: the mean of the face mesh over scikit-image's lfw_subset.

The models have to be in MODELS_DIR/faces: run scripts/install first. Only the mean of landmarks leaves the pictures.
"""

import os
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from app.lipsync.crop import Levels
from app.lipsync.faces.detector import Detector
from app.lipsync.faces.mesh import Mesh, around

FACES = 100  # the first half of the set; the other is of things that are none
ENLARGED, MARGIN = 200, 60  # pixels
TARGET = Path(__file__).parents[1] / "app/lipsync/face_shape.npy"


def main() -> None:
    folder = Path(os.environ.get("MODELS_DIR") or "models") / "faces"
    detector, mesh = Detector(folder), Mesh(folder)
    shapes = []
    for grey in data.lfw_subset()[:FACES]:
        for image in (grey, grey[:, ::-1]):
            large = cv2.resize(np.uint8(image.clip(0, 1) * 255), (ENLARGED, ENLARGED), interpolation=cv2.INTER_CUBIC)
            framed = cv2.copyMakeBorder(large, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REPLICATE)
            levels = Levels(cv2.cvtColor(framed, cv2.COLOR_GRAY2BGR))
            for proposal in next(detector.scan(levels)):
                face = mesh.measure(levels, proposal.square)
                if face is not None:
                    matrix = around(face.landmarks).matrix(1)
                    shapes.append(face.landmarks @ matrix[:, :2].T + matrix[:, 2])
    np.save(TARGET, np.mean(shapes, axis=0).astype(np.float32))
    print(f"{TARGET}: the mean of {len(shapes)} faces")


if __name__ == "__main__":
    main()
