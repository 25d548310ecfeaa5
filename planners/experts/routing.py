"""Which copy of an expert serves which share of its tokens: by load and by locality.

For one layer, given the shares of the layers beside it, a linear program, in the manner of DeepSeek's LPLB (which
balances loads alone, batch by batch):

    min  a/L M / mean - sum over g, e of saved[g, e] x[g, e]
    sum_g x[g, e] = 1 on the chips that hold e, sum_e w_e x[g, e] <= M

Layers are solved in turn; the objective never rises, as each layer's program contains its present shares. A share of
1/2 to each of two copies is what even sharing does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planners.experts.exact import credit
from planners.experts.metrics import padded_share
from planners.experts.problem import ExpertProblem, Floats, Placement

SWEEPS = 2


def routed(problem: ExpertProblem, placement: Placement, sweeps: int = SWEEPS) -> Floats:
    """Share of each expert's tokens that each chip serves, [layers, chips, experts]; even sharing without copies."""
    share = padded_share(placement, problem.experts).copy()
    held = share > 0
    if problem.slot_count == problem.experts:
        return share
    shares = problem.shares()
    for _ in range(sweeps if shares is not None and problem.layers > 1 else 1):
        for layer in range(problem.layers):
            share[layer] = layer_shares(problem, layer, held[layer], saved(problem, shares, share, layer))
    return share


def saved(problem: ExpertProblem, shares: Floats | None, share: Floats, layer: int) -> Floats:
    """Weighted traffic that an expert of this layer saves on each chip, [chips, experts]."""
    out = np.zeros((problem.chips, problem.experts))
    if shares is None or problem.layers < 2:
        return out
    near, weight = credit(problem), problem.cut_weight / (problem.layers - 1)
    if layer > 0:
        out += near @ share[layer - 1] @ shares[layer - 1]
    if layer + 1 < problem.layers:
        out += near @ share[layer + 1] @ shares[layer].T
    return weight * out


def layer_shares(problem: ExpertProblem, layer: int, held: NDArray[np.bool_], saving: Floats) -> Floats:
    """The best shares of one layer, [chips, experts]: an exact linear program."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_array, csr_array

    load = problem.loads[layer]
    mean = load.sum() / problem.chips
    chip, expert = np.nonzero(held)
    count = len(chip)
    one = csr_array(coo_array((np.ones(count), (expert, np.arange(count))), shape=(problem.experts, count + 1)))
    busy = coo_array(
        (
            np.concatenate([load[expert] / mean, -np.ones(problem.chips)]),
            (
                np.concatenate([chip, np.arange(problem.chips)]),
                np.concatenate([np.arange(count), np.full(problem.chips, count)]),
            ),
        ),
        shape=(problem.chips, count + 1),
    )
    cost = np.append(-saving[chip, expert], problem.load_weight / problem.layers)
    cap = np.inf if problem.load_cap_ratio is None else problem.load_cap_ratio
    for most in (cap, np.inf):  # a cap that no shares can meet is left aside
        solved = linprog(
            cost,
            A_ub=csr_array(busy),
            b_ub=np.zeros(problem.chips),
            A_eq=one,
            b_eq=np.ones(problem.experts),
            bounds=[(0.0, 1.0)] * count + [(0.0, most)],
            method="highs",
        )
        if solved.status == 0:
            break
    out = np.zeros(held.shape)
    out[chip, expert] = np.maximum(solved.x[:count], 0.0)
    return np.asarray(out / out.sum(axis=0, keepdims=True))


def share_of_slot(placement: Placement, share: Floats) -> Floats:
    """Share of its expert's tokens that each slot serves, [layers, chips, slots / chips]; twins share evenly."""
    slots = placement.expert_of_slot
    layers, chips, _ = slots.shape
    rows, columns = np.ogrid[:layers, :chips]
    twins = (slots[:, :, :, None] == slots[:, :, None, :]).sum(axis=3)
    return np.asarray(share[rows[..., None], columns[..., None], slots] / twins)
