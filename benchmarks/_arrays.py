"""`python -m benchmarks arrays`: compute cycles of SCALE-Sim v3 on random products, against `simcore validate arrays`.

`scalesim==3.0.0` lives in an environment of its own (it needs numpy < 2) under `SIMCORE_SCALESIM`, else the user's
cache folder. 60 shapes of 1 to 128, three dataflows, four arrays; the cycles are those with memory out of the way
(`InterfaceBandwidth: CALC`, stalls taken off). A few minutes; `--keep FILE` writes the table.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks._process import isolated

PACKAGES = ("scalesim==3.0.0", "numpy<2")
ARRAYS = ((8, 8), (16, 4), (12, 20), (32, 32))
SHAPES, LARGEST, SEED = 60, 128, 11
DATAFLOWS = {"output": "os", "weight": "ws", "input": "is"}
RUN = '''
import contextlib, csv, io, json, pathlib, sys, tempfile
from scalesim.scale_sim import scalesim
PRESETS = """[general]
run_name = run
[architecture_presets]
ArrayHeight: {height}
ArrayWidth: {width}
IfmapSramSzkB: 1024
FilterSramSzkB: 1024
OfmapSramSzkB: 1024
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Dataflow: {dataflow}
Bandwidth: 10
ReadRequestBuffer: 32
WriteRequestBuffer: 32
[layout]
IfmapCustomLayout: False
FilterCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport: false
SparseRep: ellpack_block
OptimizedMapping: false
BlockSize: 8
RandomNumberGeneratorSeed: 40
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""
for line in sys.stdin:
    dataflow, height, width, m, n, k = json.loads(line)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "c.cfg").write_text(PRESETS.format(dataflow=dataflow, height=height, width=width))
        (folder / "t.csv").write_text(f"Layer,M,N,K,\\nproduct,{m},{n},{k},\\n")
        (folder / "l.csv").write_text("Layer,\\n")
        files = {"config": folder / "c.cfg", "topology": folder / "t.csv", "layout": folder / "l.csv"}
        with contextlib.redirect_stdout(io.StringIO()):
            paths = {key: str(file) for key, file in files.items()}
            one = scalesim(save_disk_space=True, verbose=False, input_type_gemm=True, **paths)
            one.run_scale(top_path=name)
        rows = list(csv.reader(next(folder.rglob("COMPUTE_REPORT.csv")).open()))
        told = dict(zip((cell.strip() for cell in rows[0]), rows[1]))
        print(int(float(told["Total Cycles"])) - int(float(told["Stall Cycles"])), flush=True)
'''


def figures(keep: Path | None = None) -> Iterator[tuple[str, float]]:
    """(name, value): rows, and the worst error of each dataflow, per cent."""
    from simcore.cost.dataflows import dataflow
    from simcore.cost.dataflows._base import Gemm

    asked = questions()
    lines = "\n".join(json.dumps([DATAFLOWS[name], *sides]) for name, *sides in asked)
    command = [isolated("scalesim", PACKAGES), "-c", RUN]
    told = subprocess.run(command, input=lines, capture_output=True, text=True, check=True, env={})
    theirs = np.array(told.stdout.split(), float)
    if keep is not None:
        rows = [",".join(map(str, (*one, int(cycles)))) for one, cycles in zip(asked, theirs, strict=True)]
        keep.write_text("\n".join(["dataflow,height,width,m,n,k,cycles", *rows, ""]))
    yield "arrays_rows", float(len(theirs))
    for name in DATAFLOWS:
        mine = [at for at, one in enumerate(asked) if one[0] == name]
        height, width, m, n, k = np.array([asked[at][1:] for at in mine], float).T
        error = dataflow(name).cycles(Gemm(m, n, k), height, width) / np.maximum(theirs[mine], 1.0) - 1.0
        yield f"arrays_{name}_worst_error_percent", 100.0 * float(np.abs(error).max())


def questions() -> list[tuple[str, int, int, int, int, int]]:
    """Every shape on every array in every dataflow; sides spread evenly over their logarithm."""
    sides = np.exp(np.random.default_rng(SEED).uniform(0.0, np.log(LARGEST + 0.999), (SHAPES, 3))).astype(int)
    return [(name, *array, *shape) for shape in sides.tolist() for array in ARRAYS for name in DATAFLOWS]
