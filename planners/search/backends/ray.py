"""A Ray cluster: `--backend ray --address auto`; without an address, a local Ray."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from planners.search.backend import Backend
from simcore.errors import InputError

T = TypeVar("T")
R = TypeVar("R")
RETRIES = 3
LOOK_S = 5.0
"""without an answer, after which the head is looked for: a minute after a loss Ray ends the whole process"""


class Ray:
    """Chunks as tasks of one core; Ray runs those of a lost worker elsewhere."""

    def __init__(self, ray: Any, own: bool) -> None:
        self.ray, self.own, self.lost = ray, own, False
        self.head: str = ray.get_runtime_context().gcs_address

    @property
    def workers(self) -> int:
        return max(1, int(self.there().cluster_resources().get("CPU", 1)))

    def there(self) -> Any:
        """Ray, whose head answers: to ask one that has gone would take that minute."""
        if not answers(self.head):
            raise self.loss(f"nobody answers at {self.head}")
        return self.ray

    def run(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        from ray.exceptions import RayError, RayTaskError

        remote = self.there().remote(num_cpus=1, max_retries=RETRIES)(function)
        waiting = {remote.remote(item): i for i, item in enumerate(items)}
        try:
            while waiting:
                ready, _ = self.ray.wait(list(waiting), num_returns=1, timeout=LOOK_S)
                if not ready:
                    self.there()
                for reference in ready:
                    yield waiting.pop(reference), self.ray.get(reference)
        except RayTaskError:  # of the function itself
            raise
        except RayError as error:
            raise self.loss(str(error).splitlines()[0]) from None
        finally:
            for reference in () if self.lost else waiting:
                self.ray.cancel(reference)

    def loss(self, why: str) -> InputError:
        """What is told of a cluster that has gone, of which nothing is asked any more."""
        self.lost = not answers(self.head)
        what = f"the Ray cluster was lost on the way: {why}"
        return InputError(what, key="--address", fix="start it again and go on with --resume")

    def close(self) -> None:
        if self.own and not self.lost:
            self.ray.shutdown()


def answers(address: str) -> bool:
    """Whether somebody listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), LOOK_S).close()
    except OSError:
        return False
    return True


def connect(address: str | None = None, workers: int | None = None) -> Backend:
    """The cluster at `address` ("auto" finds a running one), or a local Ray. Raises InputError where there is none."""
    try:
        import ray
    except ImportError:
        raise InputError("the ray backend is not installed", fix="pip install 'simcore[ray]'") from None
    if ray.is_initialized():
        return Ray(ray, own=False)
    try:
        ray.init(address=address, num_cpus=None if address else workers, include_dashboard=False, log_to_driver=False)
    except (ConnectionError, ValueError) as error:
        raise InputError(f"no Ray cluster answers at {address}: {error}", key="--address") from None
    return Ray(ray, own=True)
