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
    """x [B, C, H, W] already padded, weight [C, 1, k, k], stride s → y [B, C, (H − k) // s + 1, (W − k) // s + 1]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        """Gives y [B, C, (H − k) // s + 1, (W − k) // s + 1] of x [B, C, H, W] and weight [C, 1, k, k]."""
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv2d(x, weight, None, stride, 0, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """The gradients of x [B, C, H, W] and weight [C, 1, k, k], each None where nobody needs it, from that of y.

        `grads` holds the gradient of y alone [B, C, (H − k) // s + 1, (W − k) // s + 1]; the stride has no gradient.
        """
        x, weight = ctx.saved_tensors
        (grad,) = grads
        grad_x = input_gradient(grad, x, weight, ctx.stride) if ctx.needs_input_grad[0] else None
        grad_w = weight_gradient(grad, x, weight, ctx.stride) if ctx.needs_input_grad[1] else None
        return grad_x, grad_w, None


def input_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """The gradient of x [B, C, H, W], from `grad`, that of y [B, C, (H − k) // s + 1, (W − k) // s + 1].

    It is `grad`, with zeros put between its entries where s > 1, convolved with the flipped `weight` [C, 1, k, k].
    """
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
    """The gradient of weight [C, 1, k, k], computed in float32 and returned in the weight's own type.

    `grad` is the gradient of y [B, C, (H − k) // s + 1, (W − k) // s + 1], and `x` is [B, C, H, W].
    """
    if weight.shape[-1] > 3 and stride == 1 and grad.device.type == "cpu":
        return weight_gradient_by_convolution(grad.float(), x.float()).to(weight.dtype)
    result = torch.ops.aten.convolution_backward(
        grad.float(), x.float(), weight.float(), None,
        [stride, stride], [0, 0], [1, 1], False, [0, 0], weight.shape[0], [False, True, False],
    )  # fmt: skip
    return result[1].to(weight.dtype)


def weight_gradient_by_convolution(grad: Tensor, x: Tensor) -> Tensor:
    """The gradient of weight [C, 1, k, k] at stride 1, of `grad` [B, C, h, w] and x [B, C, H, W], as a forward pass:
    every map of x convolved with the same map of the gradient, summed over the batch. Twice as fast for 5 × 5."""
    count, channels, height, width = grad.shape
    maps = x.contiguous().reshape(1, count * channels, *x.shape[-2:])
    kernels = grad.contiguous().reshape(count * channels, 1, height, width)
    found = F.conv2d(maps, kernels, None, 1, 0, 1, count * channels)
    return found.reshape(count, channels, *found.shape[-2:]).sum(0)[:, None]


def depthwise(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Convolves x [B, C, H, W] by weight [C, 1, k, k], without padding: [B, C, (H − k) // s + 1, (W − k) // s + 1].

    On a CPU with gradients its backward pass is the fast one, and elsewhere PyTorch's own.
    """
    if x.device.type == "cpu" and torch.is_grad_enabled():
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            x, weight = x.to(dtype), weight.to(dtype)
        return DepthwiseConv.apply(x, weight, stride)
    return F.conv2d(x, weight, None, stride, 0, 1, weight.shape[0])
