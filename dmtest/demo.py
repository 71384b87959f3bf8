"""The demo: real images as an embedding that was whitened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dmtest.reporting.model import Report

__all__ = ["INTRODUCTION", "digits_report", "whitened_digits"]

COMPONENTS = 16

INTRODUCTION = (
    "Handwritten digits (scikit-learn; 1,797 images of 64 pixels) on their first 16 principal\n"
    "components, each divided by its standard deviation: an embedding that was whitened.\n"
    "Mean and covariance are right by construction. Does it follow N(0, I)?"
)


def whitened_digits(components: int = COMPONENTS) -> NDArray[np.float64]:
    """Return the digits on their first principal components, of mean 0 and covariance I.

    Parameters
    ----------
    components : int
        How many to keep.

    Returns
    -------
    ndarray, shape (1797, components)
    """
    from sklearn.datasets import load_digits

    pixels = np.asarray(load_digits().data, dtype=np.float64)
    scores, _, axes = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)
    # The sign of a component is LAPACK's choice: make its largest loading positive.
    largest = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(len(axes)), largest])
    return np.asarray(np.sqrt(len(pixels)) * (scores * signs)[:, :components])


def digits_report(seed: int = 0) -> Report:
    """Report on the whitened digits against N(0, I).

    Parameters
    ----------
    seed : int
        As ``rng`` of :func:`dmtest.report`.
    """
    from dmtest.api import report
    from dmtest.sample import as_sample

    sample = as_sample(whitened_digits())
    names = tuple(f"PC{j + 1}" for j in range(sample.d))
    source = f"scikit-learn digits, {sample.d} whitened principal components"
    return report(replace(sample, names=names, source=source), rng=seed)
