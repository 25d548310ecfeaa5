"""What every block of a layer says of itself: its matrices, what it stores per token and per sequence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from simcore.kept.lazy import dataclass
from simcore.spec.base import Spec

Split = Literal["column", "row", "none"]


@dataclass(frozen=True)
class Part:
    """A slice of a matrix's split dimension: `width` elements that divide into at most `pieces` (heads, KV heads)."""

    width: int
    pieces: int


@dataclass(frozen=True)
class Matrix:
    """A weight matrix y = x W, [inputs, sum of widths]. `column` splits outputs over tp, `row` splits inputs.

    A part with fewer pieces than ranks is replicated (KV heads when tp exceeds them).
    """

    name: str
    inputs: int
    parts: tuple[Part, ...]
    split: Split
    bias: bool = False
    copies: int = 1
    """independent matrices of this shape (experts)"""

    @property
    def outputs(self) -> int:
        return sum(part.width for part in self.parts)

    @property
    def elements(self) -> int:
        return self.copies * (self.inputs * self.outputs + (self.outputs if self.bias else 0))


def matrix(name: str, inputs: int, outputs: int, split: Split, *, bias: bool = False, copies: int = 1) -> Matrix:
    """A matrix with one part whose split dimension divides freely."""
    width = inputs if split == "row" else outputs
    return Matrix(name, inputs, (Part(outputs, width),), split, bias, copies)


Domain = Literal["attention", "dense", "routed", "shared"]
"""whose format weights are stored in: `routed` the experts', all others the weights'"""


class MixerBlock(Spec):
    """What every token mixer says; the defaults are those of one without cache and without state."""

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        """Projections, cut over tp, in the weights' format; the output's is called `attention_out`."""
        raise NotImplementedError

    def cache_matrix(self, hidden_size: int) -> Matrix | None:
        """The projection that fills its cache, where that can be done without the rest of the layer."""
        return None

    def small_elements(self) -> int:
        """Vectors beside them, whole on every rank, 2 bytes each."""
        return 0

    @property
    def split_heads(self) -> int:
        """Heads that tp must divide."""
        raise NotImplementedError

    @property
    def span_tokens(self) -> int | None:
        """The furthest a query looks back; None: everything."""
        return None

    @property
    def kept_tokens(self) -> int | None:
        """The most tokens that it keeps in its cache; None: all."""
        return None

    @property
    def kv_elements_per_token(self) -> float:
        """Elements kept in the cache per token; 0: no cache."""
        return 0

    @property
    def borrowed_elements_per_token(self) -> float:
        """Elements per token of another layer's cache that a query reads."""
        return 0.0

    @property
    def cache_pieces(self) -> int:
        """Ranks over which a token's cache can be divided (KV heads); beyond, and with 1, ranks hold copies."""
        return 1

    @property
    def state_elements(self) -> int:
        """Of a sequence, however long, in fp32, divided over tp; 0: none."""
        return 0

    @property
    def conv_elements(self) -> int:
        """The same in the activations' format (the window of a short convolution)."""
        return 0


class FeedForward(Spec):
    """What every feed-forward block says; the defaults are those of one without experts."""

    def cut(self, hidden_size: int) -> tuple[Matrix, ...]:
        """Matrices that tp cuts, in the weights' format."""
        raise NotImplementedError

    def routed(self, hidden_size: int) -> tuple[Matrix, ...]:
        """Matrices of the routed experts, spread over ep x moe_tp ranks, in the experts' format."""
        return ()

    def whole_elements(self, hidden_size: int) -> int:
        """Elements that every rank holds in 2 bytes (a router)."""
        return 0

    def token_matrices(self, hidden_size: int) -> list[Matrix]:
        """Matrices that one token passes."""
        return list(self.cut(hidden_size))

    def parameters(self, hidden_size: int) -> Iterator[tuple[Domain, int]]:
        """(domain, elements)."""
        yield "dense", sum(m.elements for m in self.cut(hidden_size))

    @property
    def routed_experts(self) -> int:
        """How many experts it chooses from; 0: none."""
        return 0

    @property
    def chosen_experts(self) -> int:
        """How many a token passes."""
        return 0
