"""A server's own command line as settings of a scenario."""

from scenarios.launch.command import with_launch

__all__ = ["with_launch"]
