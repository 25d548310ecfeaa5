"""Importers: files of other projects to specs."""
