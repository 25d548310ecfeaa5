"""State of replicas that several models share: one record per model of a replica, one per replica."""

from __future__ import annotations

import numpy as np

MODEL = np.dtype(
    [
        ("weight_bytes", "f8"),  # of one chip
        ("fetch_s", "f8"),  # to bring them into the main tier
        ("block_bytes", "f8"),  # of a KV block on one chip
        ("placed", "i8"),  # 1: this replica may serve it
        ("resident", "i8"),
        ("used_s", "f8"),  # when its last turn ended
        ("uses", "i8"),  # turns so far
        ("blocked", "i8"),  # 1: it has work and cannot go on before something else happens
        ("fetches", "i8"),
        ("waited_s", "f8"),  # for its weights
    ],
    align=True,
)

GROUP = np.dtype(
    [
        ("capacity_bytes", "f8"),  # of a chip's main tier, for weights
        ("turn_s", "f8"),  # a model's steps in a row, where another waits; infinite: until it has none
        ("ahead", "i8"),  # 1: the next model is fetched while another runs, where there is room for both
        ("rule", "i8"),  # which model makes room: see `RULES`
        ("current", "i8"),  # the model whose turn it is; -1: none yet
        ("clock_s", "f8"),  # until when the chips are taken
        ("turn_begin_s", "f8"),
        ("turn_end_s", "f8"),
        ("link_free_s", "f8"),
        ("turns", "i8"),  # of another model than before
        ("job_token_s", "f8"),  # 0: no job
        ("job_limit_s", "f8"),  # a step with tokens of the job in its slack lasts so long
        ("job_left_tokens", "f8"),
        ("job_tokens", "f8"),
        ("job_s", "f8"),  # of the chips, for the job
        ("job_alone_s", "f8"),  # of these, without a step beside it
    ],
    align=True,
)

RULES = ("static", "lru", "lfu")
"""which model makes room: the last of those in the file (the first stay), the one that ran longest ago, the one that
ran least often"""
