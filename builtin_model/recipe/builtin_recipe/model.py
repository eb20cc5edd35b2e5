"""A small Llama, its parameters named as GGUF names them.

Rotary pairs are interleaved, as llama.cpp expects them for this architecture, so that nothing has
to be permuted at export.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from builtin_recipe.rotary import RotaryTable, Rotation

EPSILON = 1e-5

_NORM_LOSS = (0.1, 0.01, 0.01, 0.01)
"""The loss on the mean square of the stream behind each block but the last, most where places are
compared. What circuits read and copy is there from prompts, of which nothing else is ever asked:
training drowned it."""

_MULTIPLE = 64
"""Of predictions: each number is another kernel for oneDNN to make, and to keep."""


@dataclass(frozen=True, slots=True)
class Config:
    """Sizes. The heads together may be wider than the residual stream, or narrower."""

    vocabulary: int
    width: int = 384
    heads: int = 6
    head_size: int = 64
    layers: int = 5
    feed_forward: int = 512
    context: int = 1024


class _Normalise(torch.autograd.Function):
    """x / rms(x), computed in float32 and kept for the way back in the type of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        mean_square = (x.float() ** 2).mean(-1, keepdim=True)
        factor = (mean_square + EPSILON).rsqrt().to(x.dtype)
        normal = x * factor
        ctx.save_for_backward(normal, factor)
        return normal

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        normal, factor = ctx.saved_tensors
        along = (gradient * normal).mean(-1, keepdim=True)
        return (gradient - normal * along) * factor


class RMSNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return _Normalise.apply(x) * self.weight.to(x.dtype)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias=False)


class Block(nn.Module):
    """Attention and a gated feed-forward layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, inner = config.width, config.feed_forward
        mixed = config.heads * config.head_size
        self.split = (config.heads, config.head_size)
        self.attn_norm = RMSNorm(width)
        self.ffn_norm = RMSNorm(width)
        self.attn_q = _linear(width, mixed)
        self.attn_k = _linear(width, mixed)
        self.attn_v = _linear(width, mixed)
        self.attn_output = _linear(mixed, width)
        self.ffn_gate = _linear(width, inner)
        self.ffn_up = _linear(width, inner)
        self.ffn_down = _linear(inner, width)

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        x = x + self._attention(self.attn_norm(x), rotation)
        y = self.ffn_norm(x)
        return x + self.ffn_down(functional.silu(self.ffn_gate(y)) * self.ffn_up(y))

    def _attention(self, y: Tensor, rotation: Rotation) -> Tensor:
        """By plain matrix products: on a CPU, and for texts as short as these, they take a third of
        the time of PyTorch's own attention."""
        query = _by_head(rotation(self.attn_q(y).unflatten(-1, self.split)))
        key = _by_head(rotation(self.attn_k(y).unflatten(-1, self.split)))
        value = _by_head(self.attn_v(y).unflatten(-1, self.split))
        time = y.size(1)
        later = query.new_full((time, time), -torch.inf).triu(1)
        scores = torch.baddbmm(later, query, key.transpose(1, 2), alpha=query.size(-1) ** -0.5)
        mixed = (scores.softmax(-1) @ value).unflatten(0, (-1, self.split[0]))
        return self.attn_output(mixed.transpose(1, 2).flatten(-2))


def _by_head(x: Tensor) -> Tensor:
    """x[batch, time, head, size] as [batch x head, time, size]."""
    return x.transpose(1, 2).flatten(0, 1)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was predicted where the weight is not zero."""

    loss: Tensor
    hits: Tensor
    weights: Tensor


class Model(nn.Module):
    """The language model."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.token_embd = nn.Embedding(config.vocabulary, config.width)
        self.blk = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.output_norm = RMSNorm(config.width)
        self.output = _linear(config.width, config.vocabulary)
        self.rotary = RotaryTable(config.context, config.head_size)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """Normal weights; what writes into the residual stream starts small."""
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                continue
            nn.init.normal_(parameter, 0, 0.1 if "embd" in name else parameter.size(1) ** -0.5)
            if name.endswith(("attn_output.weight", "ffn_down.weight")):
                parameter.mul_(0.2)
            elif name == "output.weight":
                parameter.mul_(0.5)

    def streams(self, ids: Tensor) -> Iterator[Tensor]:
        """The residual stream behind each block, for ids[batch, time]."""
        x = self.token_embd(ids)
        if torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))
        rotation = self.rotary(ids.size(1), x.dtype)
        for block in self.blk:
            x = block(x, rotation)
            yield x

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of ids[batch, time]."""
        *_, last = self.streams(ids)
        return self.output(self.output_norm(last))

    def predict(self, ids: Tensor, weights: Tensor, margins: Tensor) -> Prediction:
        """Weighted mean loss; weights[b, t] is the weight of predicting ids[b, t + 1], and
        margins[token] by how many logits that token has to win where it is the right one (additive
        margin softmax, Wang et al., 2018)."""
        asked = (weights > 0).flatten().nonzero().squeeze(1)
        padding = asked.new_zeros(-len(asked) % _MULTIPLE)
        asked = torch.cat([asked, padding])
        *earlier, last = self.streams(ids)
        norms = torch.stack([stream.float().square().mean() for stream in earlier])
        logits = self.output(self.output_norm(last.flatten(0, 1)[asked])).float()
        targets = ids.roll(-1, 1).flatten()[asked]
        hits = logits.argmax(-1) == targets
        handicapped = logits.scatter_add(1, targets[:, None], -margins[targets][:, None])
        losses = functional.cross_entropy(handicapped, targets, reduction="none")
        weight = weights.flatten()[asked]
        weight[len(asked) - len(padding) :] = 0
        loss = (losses * weight).sum() / weight.sum() + (norms @ norms.new_tensor(_NORM_LOSS))
        return Prediction(loss, hits, weight)
