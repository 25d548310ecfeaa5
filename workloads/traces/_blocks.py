"""How many input tokens a prefix hash covers: said, documented, or what the numbers of hashes agree with."""

from __future__ import annotations

import numpy as np

from simcore.errors import InputError
from workloads.traces._values import Bad, Ints

FIX = "say [traffic] hash_tokens"


def agrees(counts: Ints, input_tokens: Ints, block: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Rows whose number of hashes is ceil(length / block), or floor where all of the trace hash whole blocks only."""
    some = counts > 0
    up = counts == -(-input_tokens // block)
    down = counts == input_tokens // block
    found = down if (down | ~some).all() and not (up | ~some).all() else up
    return np.asarray(found | ~some)


def block_tokens(
    counts: Ints, input_tokens: Ints, stated: int | None, usual: int, where: str
) -> tuple[int, Bad, str | None]:
    """(tokens per hash, rows that disagree with what was stated, what to tell).

    Raises InputError where no block agrees.
    """
    block = stated or usual
    wrong = np.flatnonzero(~agrees(counts, input_tokens, block))
    if not len(wrong):
        return block, {}, None
    row = int(wrong[0])
    first = int(counts[row]), int(input_tokens[row])
    said = f"{first[0]} hashes for {first[1]} input tokens are not ceil({first[1]} / {block})"
    if stated is not None:
        if len(wrong) == int((counts > 0).sum()):
            raise InputError(said, file=where, key="hash_tokens", fix=_hint(counts, input_tokens))
        return block, dict.fromkeys(map(int, wrong), said), None
    low, high = span(counts, input_tokens)
    powers = [2**n for n in range(17) if low <= 2**n <= high]
    found = powers[0] if len(powers) == 1 else low if low == high else None
    if found is None:
        raise InputError(said, file=where, key="hash_tokens", fix=_hint(counts, input_tokens))
    return found, {}, f"prefix hashes cover {found} tokens each, as their numbers say"


def span(counts: Ints, input_tokens: Ints) -> tuple[int, int]:
    """The smallest and largest block with ceil(length / block) = count in every row that has hashes."""
    some = counts > 0
    count, length = counts[some], input_tokens[some]
    low = int((-(-length // count)).max(initial=1))
    several = count > 1
    high = int((-(-length[several] // (count[several] - 1)) - 1).min(initial=2**31))
    return low, high


def _hint(counts: Ints, input_tokens: Ints) -> str:
    low, high = span(counts, input_tokens)
    return f"{FIX}: {low} to {high} would agree" if low <= high else f"{FIX}, or mend the file: no block size agrees"
