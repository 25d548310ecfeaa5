"""A Dask cluster: `--backend dask --scheduler tcp://HOST:8786`; without an address, local processes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from planners.search.backend import Backend
from simcore.errors import InputError

T = TypeVar("T")
R = TypeVar("R")
RETRIES = 3


class Dask:
    """Chunks as futures; Dask runs those of a lost worker elsewhere."""

    def __init__(self, client: Any, own: bool) -> None:
        self.client, self.own = client, own

    @property
    def workers(self) -> int:
        return max(1, int(sum(self.client.nthreads().values())))

    def run(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker, as_completed
        from distributed.comm import CommClosedError

        futures = {self.client.submit(function, item, pure=False, retries=RETRIES): i for i, item in enumerate(items)}
        try:
            for future in as_completed(list(futures)):
                yield futures[future], future.result()
        except (CancelledError, CommClosedError, KilledWorker) as error:
            what = f"the Dask cluster was lost on the way: {str(error).splitlines()[0]}"
            raise InputError(what, key="--scheduler", fix="start it again and go on with --resume") from None
        finally:
            for future in futures:
                if not future.done():
                    future.cancel()

    def close(self) -> None:
        cluster = self.client.cluster
        self.client.close()
        if self.own and cluster is not None:
            cluster.close()


def connect(address: str | None = None, workers: int | None = None) -> Backend:
    """The cluster at `address`, or local processes with one thread each. Raises InputError where it is unreachable."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError("the dask backend is not installed", fix="pip install 'simcore[dask]'") from None
    if address is None:
        cluster = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None)
        return Dask(Client(cluster), own=True)
    try:
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # a lost scheduler is told in one line
        return Dask(Client(address, timeout="20s"), own=False)
    except (OSError, TimeoutError) as error:
        raise InputError(f"no Dask scheduler answers at {address}: {error}", key="--scheduler") from None
