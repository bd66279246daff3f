"""The network against the paper's literal order of operations, and its algebra against plain concatenation."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fibrostage.networks.fusion import ABSENT, Head
from fibrostage.networks.heads.ordinal import Cumulative
from fibrostage.networks.stream import Stream, dropout_mask


def literal_paper_stream(stream: Stream, maps: Tensor) -> Tensor:
    """§3.2.1 as written: point-wise convolution on maps → SE on maps → global average pooling [N, 256]."""
    reduced = F.conv2d(maps, stream.reduce.weight[:, :, None, None], stream.reduce.bias)
    squeezed = reduced.mean(dim=(2, 3))
    gate = torch.sigmoid(stream.excite(F.relu(stream.squeeze(squeezed))))
    return (gate[:, :, None, None] * reduced).mean(dim=(2, 3))


def test_pooling_first_equals_the_papers_order() -> None:
    torch.manual_seed(0)
    stream = Stream(64, 5, reduce=16, se_reduction=4).double()
    maps = torch.randn(7, 64, 6, 5, dtype=torch.float64)
    ours = stream.embed(maps.mean(dim=(2, 3)))
    torch.testing.assert_close(ours, literal_paper_stream(stream, maps), rtol=1e-12, atol=1e-12)


def make_head(dropout: float = 0.5) -> tuple[Head, dict[str, Tensor]]:
    torch.manual_seed(1)
    widths = {"a": 20, "b": 12, "c": 9}
    head = Head(tuple(widths), widths, 5, reduce=8, se_reduction=2, dropout=dropout).double()
    with torch.no_grad():
        head.link.bias.copy_(torch.randn(5))
        for name in widths:
            head.stream(name).offset.copy_(torch.randn(5))
    features = {name: torch.randn(6, width, dtype=torch.float64) for name, width in widths.items()}
    return head, features


ROWS = torch.tensor([[0, 1, 2], [0, 5, 3], [4, 1, 2], [3, 3, 3]])


def test_summed_tables_equal_one_layer_over_the_concatenation() -> None:
    head, features = make_head()
    fused = head.fuse(head.tables(features), ROWS)
    parts = [head.stream(n).embed(features[n][ROWS[:, k]]) for k, n in enumerate(head.modalities)]
    weight = torch.cat([head.stream(n).classify.weight for n in head.modalities], dim=1)
    torch.testing.assert_close(fused, torch.cat(parts, dim=1) @ weight.T + head.link.bias, rtol=1e-12, atol=1e-12)


def test_dropout_passes_equal_the_literal_network_with_the_same_masks() -> None:
    head, features = make_head()
    tables = head.passes(features, head.masks(3, np.random.default_rng(7)))
    fused = head.fuse(tables, ROWS)
    rng = np.random.default_rng(7)
    masks = {n: dropout_mask((3, 8), 0.5, rng) for n in head.modalities}
    for t in range(3):
        logits = head.link.bias
        for k, n in enumerate(head.modalities):
            v = head.stream(n).embed(features[n][ROWS[:, k]])
            logits = logits + (v * masks[n][t]) @ head.stream(n).classify.weight.T
        torch.testing.assert_close(fused[t], logits, rtol=1e-6, atol=1e-6)


def test_an_absent_image_is_the_streams_offset_and_nothing_else() -> None:
    head, features = make_head()
    rows = torch.tensor([[2, ABSENT, 1]])
    fused = head.fuse(head.tables(features), rows)[0]
    expected = head.link.bias + head.stream("b").offset
    for name, row in (("a", 2), ("c", 1)):
        expected = expected + head.stream(name)(features[name][[row]])[0]
    torch.testing.assert_close(fused, expected)
    only = head.fuse(head.tables({**features, "b": torch.empty(0, 12, dtype=torch.float64)}), rows)[0]
    torch.testing.assert_close(only, expected)


def test_each_modalitys_share_is_exact() -> None:
    head, features = make_head()
    tables = head.tables(features)
    shares = [tables[n][ROWS[:, k]] for k, n in enumerate(head.modalities)]
    torch.testing.assert_close(head.fuse(tables, ROWS) - head.link.bias, sum(shares[1:], shares[0]))


def test_dropout_masks_keep_the_expectation() -> None:
    mask = dropout_mask((200, 1000), 0.3, np.random.default_rng(0))
    assert abs(float((mask == 0).float().mean()) - 0.3) < 0.005
    assert abs(float(mask.mean()) - 1) < 0.01
    assert bool((dropout_mask((50,), 0.0, np.random.default_rng(0)) == 1).all())


def test_an_ordinal_link_is_the_proportional_odds_model() -> None:
    """P(stage ≥ k) = σ(f − θ_k), and its log-probabilities stay finite far out."""
    link = Cumulative(5)
    with torch.no_grad():
        link.steps.normal_()
    f = torch.tensor([[-40.0], [-1.0], [0.3], [2.0], [40.0]])
    logits = link(f)
    p = logits.double().exp()
    torch.testing.assert_close(p.sum(-1), torch.ones(5, dtype=torch.double), rtol=0, atol=1e-6)
    above = p.flip(-1).cumsum(-1).flip(-1)[:, 1:]
    torch.testing.assert_close(above, torch.sigmoid(f - link.thresholds()).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(logits.softmax(-1), logits.exp())
    assert logits.isfinite().all()
    logits.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in link.parameters())
    assert Cumulative(2)(f).shape == (5, 2)


def test_what_an_ablation_leaves_out_is_not_there() -> None:
    z = torch.randn(7, 12, generator=torch.Generator().manual_seed(0))
    ungated = Head(("LSTE",), {"LSTE": 12}, 5, 8, 2, stream="ungated").stream("LSTE")
    torch.testing.assert_close(ungated.embed(z), z @ ungated.reduce.weight.T + ungated.reduce.bias)  # type: ignore[union-attr,operator]
    unreduced = Head(("LSTE",), {"LSTE": 12}, 5, 8, 2, stream="unreduced").stream("LSTE")
    assert unreduced.width == 12
    hidden = torch.relu(z @ unreduced.squeeze.weight.T + unreduced.squeeze.bias)  # type: ignore[union-attr,operator]
    gate = torch.sigmoid(hidden @ unreduced.excite.weight.T + unreduced.excite.bias)  # type: ignore[union-attr,operator]
    torch.testing.assert_close(unreduced.embed(z), gate * z)
    names = {name.split(".")[0] for name, _ in ungated.named_parameters()}
    assert names == {"reduce", "classify", "offset"}
