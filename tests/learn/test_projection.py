"""The projection of features, folded into the head."""

import numpy as np
import pytest
import torch

from fibrostage.learn.projection import fit_projection, fold
from fibrostage.networks.stream import Stream


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
