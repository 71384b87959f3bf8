"""Directions: unit, orthonormal within blocks, uniform on the sphere; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import dmtest
from dmtest.engines.directions import as_directions, default_directions, random_directions
from dmtest.engines.slices import project
from dmtest.errors import InputError
from dmtest.runtime.streams import stream
from tests.support.calls import refused


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 20), st.integers(0, 2**32))
def test_frames(k: int, d: int, seed: int) -> None:
    """Unit rows, orthonormal within every block of d, for any k and d."""
    u = random_directions(k, d, np.random.default_rng(seed))
    assert u.shape == (k, d)
    assert u.flags.c_contiguous
    assert_allclose(np.linalg.norm(u, axis=1), 1.0, rtol=1e-13)
    for start in range(0, k, d):
        block = u[start : start + d]
        assert_allclose(block @ block.T, np.eye(len(block)), atol=1e-13)


def test_one_dimension() -> None:
    """There is one direction up to sign."""
    assert_array_equal(random_directions(3, 1, np.random.default_rng(0)), np.ones((3, 1)))


def test_blocks_differ() -> None:
    """The second block is a fresh frame, independent of the first."""
    u = random_directions(8, 4, np.random.default_rng(0))
    assert np.abs(u[:4] @ u[4:].T).max() < 0.999
    assert np.abs(np.abs(u[:4]) - np.abs(u[4:])).max() > 0.1


@pytest.mark.parametrize(("k", "d"), [(1, 3), (2, 3), (3, 3), (5, 3), (2, 7), (7, 7)])
def test_uniform_on_the_sphere(k: int, d: int) -> None:
    """Each row has the moments of the uniform: 0, I/d, and 3, 1 over d (d + 2); first and last."""
    rng = np.random.default_rng(100 * k + d)
    frames = np.array([random_directions(k, d, rng) for _ in range(6000)])
    for row in {0, k - 1}:
        u = frames[:, row]
        fourth = np.full((d, d), 1.0) + 2.0 * np.eye(d)
        for values, expected in (
            (u, np.zeros(d)),
            (u[:, :, None] * u[:, None, :], np.eye(d) / d),
            (u[:, :, None] ** 2 * u[:, None, :] ** 2, fourth / (d * (d + 2))),
            (u**3, np.zeros(d)),
        ):
            error = values.std(axis=0) / np.sqrt(len(values)) + 1e-12
            assert np.all(np.abs(values.mean(axis=0) - expected) < 4.5 * error)


def test_orthogonal_rows_have_the_haar_law() -> None:
    """E u_1^2 v_1^2 = 1 / (d (d + 2)) for the first two rows of a Haar frame."""
    d = 4
    rng = np.random.default_rng(5)
    frames = np.array([random_directions(2, d, rng) for _ in range(8000)])
    product = frames[:, 0, 0] ** 2 * frames[:, 1, 0] ** 2
    expected = 1.0 / (d * (d + 2))
    assert abs(product.mean() - expected) < 4.5 * product.std() / np.sqrt(len(product))


def test_signs_are_fair() -> None:
    """The signs of R's diagonal are moved to Q: without that, QR would favour one side."""
    rng = np.random.default_rng(6)
    first = np.array([random_directions(3, 3, rng)[2, 2] for _ in range(4000)])
    assert abs(np.mean(first > 0.0) - 0.5) < 4.5 * 0.5 / np.sqrt(4000)


def test_named_stream_repeats() -> None:
    """The same seed gives the same directions, another one others."""
    same = [random_directions(9, 4, stream(3, "directions")) for _ in range(2)]
    assert_array_equal(*same)
    assert np.abs(same[0] - random_directions(9, 4, stream(4, "directions"))).max() > 0.1


def test_as_directions_normalises() -> None:
    """Rows within 1e-6 of unit length are made exact; a vector is one direction."""
    u = np.array([[3.0, 4.0], [0.0, 5.0]]) / 5.0
    given_rows = u * (1.0 + 5e-7)
    kept = given_rows.copy()
    assert_allclose(as_directions(given_rows, 2), u, rtol=1e-15)
    assert_array_equal(given_rows, kept)
    assert_allclose(as_directions([0.6, 0.8], 2), [[0.6, 0.8]])
    assert_allclose(np.linalg.norm(as_directions(given_rows.astype(np.float32), 2), axis=1), 1.0)


@pytest.mark.parametrize(
    ("directions", "message"),
    [
        ([[1.0, 0.0, 0.0]], r"shape \(1, 3\)"),
        ([1.0, 0.0, 0.0], r"shape \(1, 3\)"),
        (np.empty((0, 2)), r"shape \(0, 2\)"),
        (np.ones((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (1.0, r"shape \(\)"),
        ([[1.0, 0.0], [1.0, 1.0]], r"row 1 has norm 1\.41421"),
        ([[0.0, 0.0]], "row 0 has norm 0"),
        ([[np.nan, 1.0]], "row 0 has norm nan"),
        ([[np.inf, 0.0]], "row 0 has norm inf"),
        ([[1.0 + 2e-6, 0.0]], "row 0 has norm"),
        ([["a", "b"]], "no array of numbers"),
        ([[1.0], [1.0, 0.0]], "no array of numbers"),
    ],
)
def test_as_directions_refuses(directions: object, message: str) -> None:
    """Another shape, no unit length, no number; the message names the cure."""
    refused(f"directions.*{message}", as_directions, directions, 2)


def test_slices_and_directions_exclude_each_other() -> None:
    """Only one of them can say what to project on."""
    x = np.random.default_rng(0).standard_normal((20, 2))
    with pytest.raises(InputError, match="either slices or directions"):
        dmtest.run_test(x, "jarque-bera", directions=np.eye(2), slices=3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 4096, 4097, 9000])
def test_project(n: int, dtype: type) -> None:
    """Tiles of rows cover every row, in the data's own precision, also of a strided view."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 12)).astype(dtype)[:, ::2]
    u = random_directions(5, 6, rng)
    lines = project(x, u)
    assert lines.dtype == dtype
    assert_allclose(lines, u @ x.astype(np.float64).T, atol=1e-14 if dtype == np.float64 else 3e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_axes_are_columns(dtype: type) -> None:
    """Directions that are axes give the columns themselves, those that nearly are do not."""
    x = np.random.default_rng(3).standard_normal((70, 5)).astype(dtype)
    u = np.eye(5)[[4, 0, 0, 2]]
    out = np.full((4, 70), np.nan, dtype)
    assert project(x, u, out=out) is out
    assert_array_equal(out, x.T[[4, 0, 0, 2]])
    assert_array_equal(project(x, -u), -x.T[[4, 0, 0, 2]])
    turned = u.copy()
    turned[1, 3] = 0.25
    assert_allclose(project(x, turned), turned @ x.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("k", "d"), [(64, 2), (64, 3), (64, 40), (64, 64), (64, 100), (5, 3)])
def test_default_directions_are_frames_that_never_change(k: int, d: int) -> None:
    u = default_directions(k, d)
    assert u.shape == (k, d)
    assert not u.flags.writeable
    for start in range(0, k, d):
        frame = u[start : start + d]
        assert_allclose(frame @ frame.T, np.eye(len(frame)), atol=1e-12)
    default_directions.cache_clear()
    assert_array_equal(default_directions(k, d), u)


@pytest.mark.parametrize("d", [2, 3, 5, 8, 20])
def test_default_directions_are_as_far_apart_as_random_ones(d: int) -> None:
    def fourth(u):
        frame = np.arange(len(u)) // d
        return np.mean((u @ u.T)[frame[:, None] != frame] ** 4)

    assert_allclose(fourth(default_directions(64, d)), 3.0 / (d * (d + 2)), rtol=0.03)
