"""The demo: embeddings of real images by an encoder that was trained to make them N(0, I)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.results.report import Report

COMPONENTS = 16

INTRODUCTION = (
    "Embeddings of handwritten digits (scikit-learn): 500 images that the encoder has not seen,\n"
    "in 8 columns. `dmtest train` trained the encoder with noise-injected Deep InfoMax to make\n"
    "them N(0, I). Nearest neighbours classify 95% of the images correctly. Do the embeddings\n"
    "follow N(0, I)?"
)


def whitened_digits(components: int = COMPONENTS) -> NDArray[np.float64]:
    """Return the digits on their first principal components, of mean 0 and covariance I.

    Parameters
    ----------
    components : int
        Number of components.

    Returns
    -------
    ndarray, shape (1797, components)
    """
    from sklearn.datasets import load_digits

    pixels = np.asarray(load_digits().data, dtype=np.float64)
    scores, _, axes = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)
    # LAPACK chooses the sign of a component: make the largest loading positive.
    largest = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(len(axes)), largest])
    return np.asarray(np.sqrt(len(pixels)) * (scores * signs)[:, :components])


def trained_digits() -> dict[str, NDArray[Any]]:
    """Return the embeddings that come with dmtest.

    They are the arrays of held-out images in ``run/embeddings.npz``, which ``dmtest train --data
    digits --dim 8 --sigma 0.5 --encoder mlp --critic calibrated --batch 1024 --epochs 100 --seed 0
    --out run`` wrote.

    Returns
    -------
    dict
        ``embeddings`` f(X) and ``augmented`` f(X'), shape (500, 8), ``labels`` and ``sigma``.
    """
    from importlib import resources

    place = resources.files("dmtest.cli").joinpath("data/digits.npz")
    with resources.as_file(place) as path, np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def digits_report(seed: int = 0) -> Report:
    """Report on the trained embeddings against N(0, I).

    Parameters
    ----------
    seed : int
        As ``rng`` of :func:`dmtest.report`.
    """
    from dmtest.data.sample import as_sample
    from dmtest.reports.api import report

    stored = trained_digits()
    sample = as_sample(stored["embeddings"])
    names = tuple(f"z{j + 1}" for j in range(sample.d))
    source = "held-out digits, trained embeddings (sigma 0.5)"
    return report(
        replace(sample, names=names, source=source), augmented=stored["augmented"], rng=seed
    )
