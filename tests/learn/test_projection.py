"""The projection of features, folded into the head."""

import numpy as np
import pytest
import torch

from fibrostage.learn.projection import axes_of, fit_projection, fold
from fibrostage.networks.stream import Stream, distance


def test_a_projection_folds_into_the_reduction_exactly() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(3, 2, (40, 12)).astype(np.float32)
    z[:, 5] = 1.0  # never varies in training
    projection = fit_projection(z, 6)
    assert projection.matrix.shape == (6, 12)
    assert (projection.matrix[:, 5] == 0).all()
    norms = (fit_projection(z, 12)(z) ** 2).sum(axis=1)
    assert norms.mean() == pytest.approx(400, rel=0.01)
    torch.manual_seed(0)
    stream = Stream(6, 3, reduce=8, se_reduction=2)
    fresh = rng.normal(3, 2, (5, 12)).astype(np.float32)
    torch.testing.assert_close(
        fold(stream, projection)(torch.from_numpy(fresh)),
        stream(torch.from_numpy(projection(fresh))),
        rtol=1e-4, atol=1e-4,
    )  # fmt: skip


def test_what_training_pictures_vary_along_anyway_counts_less_in_how_far_another_lies() -> None:
    rng = np.random.default_rng(1)
    mixed = rng.normal(0, 1, (200, 6)) @ rng.normal(0, 1, (6, 6))
    z = mixed.astype(np.float32)
    bounds = fit_projection(z, 6).bounds
    standard = (z - z.mean(axis=0)) / z.std(axis=0)
    away = rng.normal(0, 2, (5, 6))
    ridged = np.linalg.inv(np.cov(standard.T, bias=True) + np.eye(6))
    expected = np.sqrt(np.einsum("ni,ij,nj->n", away, ridged, away) / 6)
    raw = torch.from_numpy((away * z.std(axis=0) + z.mean(axis=0)).astype(np.float32))
    found = distance(raw, bounds.centre, bounds.scale, bounds.axes)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)
    usual, odd = np.linalg.eigh(np.cov(standard.T))[1][:, [-1, 0]].T
    told = [
        torch.from_numpy((z.mean(axis=0) + 6 * way * z.std(axis=0))[None].astype(np.float32)) for way in (usual, odd)
    ]
    assert bounds.strange(told[0]) > bounds.strange(told[1])  # type: ignore[operator]


@pytest.mark.parametrize(("images", "features"), [(40, 60), (300, 60), (1, 4), (5, 1)])
def test_axes_are_found_on_the_shorter_side_of_the_features(images: int, features: int) -> None:
    standard = np.random.default_rng(2).normal(size=(images, features))
    axes = axes_of(standard)
    _, singular, directions = np.linalg.svd(standard, full_matrices=False)
    variances = singular**2 / images
    expected = (directions.T * (variances / (variances + 1))) @ directions if len(singular) <= 32 else None
    assert axes.shape == (min(32, images, features), features)
    if expected is not None:
        np.testing.assert_allclose(axes.T @ axes, expected, atol=1e-5)
    assert len(axes_of(np.zeros((7, 3)))) == 0, "what never varies has no direction"
