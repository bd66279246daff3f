"""Depthwise convolution with a backward pass that is fast on a CPU.

PyTorch's CPU backward of a depthwise convolution takes most of a fine-tuning step of EfficientNet-Lite0: the
input gradient at stride 2 and the bfloat16 weight gradient fall on slow reference kernels. The gradients here
are the same sums by other routes: the input gradient is itself a depthwise convolution, of the zero-stuffed
output gradient with the flipped kernel (the fast forward kernel), and the weight gradient is taken in float32.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class DepthwiseConv(torch.autograd.Function):
    """x [B, C, H, W] already padded, weight [C, 1, k, k], stride s → y [B, C, (H−k)/s+1, (W−k)/s+1]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv2d(x, weight, None, stride, 0, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        (grad,) = grads
        grad_x = input_gradient(grad, x, weight, ctx.stride) if ctx.needs_input_grad[0] else None
        grad_w = weight_gradient(grad, x, weight, ctx.stride) if ctx.needs_input_grad[1] else None
        return grad_x, grad_w, None


def input_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    channels, kernel = weight.shape[0], weight.shape[-1]
    height, width = x.shape[-2:]
    stuffed = grad
    if stride > 1:
        stuffed = torch.zeros(
            (grad.shape[0], channels, height - kernel + 1, width - kernel + 1),
            dtype=grad.dtype,
            device=grad.device,
        ).contiguous(memory_format=torch.channels_last)
        stuffed[:, :, ::stride, ::stride] = grad
    return F.conv2d(stuffed, weight.flip(2, 3), None, 1, kernel - 1, 1, channels)


def weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    result = torch.ops.aten.convolution_backward(
        grad.float(), x.float(), weight.float(), None,
        [stride, stride], [0, 0], [1, 1], False, [0, 0], weight.shape[0], [False, True, False],
    )  # fmt: skip
    return result[1].to(weight.dtype)


def depthwise(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """A depthwise convolution without padding; the fast backward on a CPU, PyTorch's own elsewhere."""
    if x.device.type == "cpu" and torch.is_grad_enabled():
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            x, weight = x.to(dtype), weight.to(dtype)
        return DepthwiseConv.apply(x, weight, stride)
    return F.conv2d(x, weight, None, stride, 0, 1, weight.shape[0])
