"""Readers of profiles that other tools write, one file each."""

from __future__ import annotations

from simcore.registry import PluginRegistry

importers: PluginRegistry = PluginRegistry("importer", "simcore.calibration.importers", "IMPORTER")
"""operator profiles: `importers("vidur-profiles")(path)` gives {operation: table}"""
