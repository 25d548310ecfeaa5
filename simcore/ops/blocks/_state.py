"""What recurrent mixers share: a state per sequence, read and written once per step."""

from __future__ import annotations

from typing import Literal, Protocol

from simcore.ops.op import Column, Op, PlanColumns, StepColumns


class Recurrent(Protocol):
    """A mixer with a state."""

    @property
    def state_elements(self) -> int: ...

    @property
    def conv_elements(self) -> int: ...

    @property
    def inner_size(self) -> int:
        """Width of what is mixed."""
        ...


def state_mixing(
    mixer: Recurrent,
    kind: Literal["linear_attention_gdn", "mamba2", "elementwise"],
    count: int,
    plan: PlanColumns,
    step: StepColumns,
    columns: dict[str, Column | str],
) -> list[Op]:
    """Recurrent state read and written once per sequence and step; work linear in tokens; state in fp32.

    Prefill processes chunks of 64 tokens whose inner products are matrix work (the chunked form of both papers):
    per token and state element 4 FLOP for update and read-out, plus 4 x 64/2 per head dimension inside the chunk.

    `columns` are those of the operator's law.
    """
    state = mixer.state_elements / plan.tp
    conv = mixer.conv_elements / plan.tp
    width = mixer.inner_size / plan.tp
    tokens = step.rank_tokens(plan.cp)
    shape: dict[str, Column | str] = {
        "prefills": step.prefill_sequences,
        "prefill_tokens": step.prefill_tokens,
        "decodes": step.decode_sequences,
        **columns,
    }
    return [
        Op(
            "state_mixing",
            kind,
            "attention",
            count,
            flop=tokens * (4.0 * state + 4.0 * 32.0 * width),
            stream_bytes=2.0 * step.sequences * (state * 4.0 + conv * plan.activation_bytes),
            cache_bytes=4.0 * tokens * width * plan.activation_bytes,
            shape=shape,
            kernels=3,
            part="attention",
        )
    ]
