"""simcore: which chips, which parallel plan, which policy serve or train this model best, and how sure are we?

The public face is lazy: `import simcore; simcore.estimate(...)`, `simcore.sweep(...)`; see `simcore.api`.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    from simcore import api

    return getattr(api, name)
