"""How every figure looks: one palette, readable at 1280 px and on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PALETTE = ("#3b6fb6", "#d9822b", "#3f9b6d", "#b5485d", "#7a5fa8", "#8a6d3b", "#2f9aa8", "#7f7f7f", "#c2a83e", "#5a5a8f")
INK, FAINT = "#1d2733", "#d5dae1"
CATEGORIES = {
    "gemm": "#3b6fb6",
    "attention": "#d9822b",
    "experts": "#7a5fa8",
    "elementwise": "#3f9b6d",
    "network": "#b5485d",
    "launch and host": "#9aa3ad",
    "weight stream": "#8a6d3b",
}
SERVER = ("graph_launch", "launches", "kernel_gaps", "host", "sampler_and_stream")
"""parts of a step in which no kernel runs"""
MEMORY = {
    "weights": "#3b6fb6",
    "KV cache": "#d9822b",
    "activations": "#3f9b6d",
    "buffers": "#7a5fa8",
    "reserve": "#9aa3ad",
}


def figure(width: float = 9.0, height: float = 5.0, columns: int = 1, rows: int = 1) -> tuple[Any, Any]:
    """A matplotlib figure and its axes in the house style, drawn without a display."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(RC):
        fig = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(fig)
        axes = fig.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(True, color=FAINT, linewidth=0.6)
        ax.set_axisbelow(True)
    return fig, axes


RC = {
    "font.size": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "simcore",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
}


def save(fig: Any, folder: Path, name: str) -> str:
    """Write NAME.png and NAME.svg; returns the SVG text for embedding."""
    import io

    from matplotlib import rc_context

    from reports.files import write_bytes

    take_literally(fig)
    pictures = {}
    for kind in ("png", "svg"):
        stream = io.BytesIO()
        with rc_context(RC):
            fig.savefig(stream, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
        fig.set_layout_engine("none")  # where everything stands is found once
        pictures[kind] = stream.getvalue()
        write_bytes(folder / f"{name}.{kind}", pictures[kind])
    text = pictures["svg"].decode()
    return text[text.index("<svg") :]


def plain_numbers(axis: Any) -> None:
    """Numbers instead of powers on a logarithmic axis: at decades, twos and fives."""
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")


def take_literally(fig: Any) -> None:
    """Titles and names are the user's: a $ in them is a dollar. Powers of ten on logarithmic axes stay formulas."""
    from matplotlib.text import Text

    powers = set()
    for ax in fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            if axis.get_scale() == "log":
                powers |= {id(label) for label in axis.get_ticklabels(which="both")}
    for text in fig.findobj(match=Text):
        text.set_parse_math(id(text) in powers)


def write_png(path: Path, fig: Any, dpi: int) -> None:
    """A picture that the user asked to have in a file. Raises InputError where it cannot be written."""
    import io

    from reports.files import write_own

    stream = io.BytesIO()
    fig.savefig(stream, format="png", dpi=dpi)
    write_own(path, stream.getvalue())


def category(name: str) -> str:
    """The palette category of an operation.

    >>> category("qkv"), category("all_reduce_mlp"), category("attention_decode"), category("host")
    ('gemm', 'network', 'attention', 'launch and host')
    """
    if name.startswith(("all_", "reduce_scatter", "stage_send")):
        return "network"
    if name in ("attention_prefill", "attention_decode", "mla_prefill", "mla_decode", "state_mixing", "indexer"):
        return "attention"
    if name.startswith("expert") or name == "routing":
        return "experts"
    if name in SERVER:
        return "launch and host"
    if name == "weight_stream":
        return "weight stream"
    light = ("embedding", "norm_residual", "activation", "final_norm", "sampling", "rope_kv_write")
    return "elementwise" if name in light else "gemm"
