"""Random changes of pictures."""

import numpy as np
import torch

from fibrostage.learn.images import apply, draw, mirror


def test_colours_of_an_elastogram_are_never_changed() -> None:
    rng = np.random.default_rng(0)
    changes = draw(50, "elastogram", rng)
    assert (changes.gain == 1).all()
    assert (changes.lift == 0).all()
    flat = torch.full((50, 3, 16, 16), 120.0)
    inside = apply(flat, changes)[:, :, 6:10, 6:10]
    torch.testing.assert_close(inside, torch.full_like(inside, 120.0))
    assert not (draw(50, "bmode", rng).gain == 1).any()


def test_a_mirrored_picture_is_flipped_sideways() -> None:
    x = torch.arange(2 * 3 * 2 * 2).view(2, 3, 2, 2).float()
    found = mirror(x, np.array([True, False]))
    assert torch.equal(found[0], x[0].flip(2))
    assert torch.equal(found[1], x[1])
