"""Published systems, rerun: one TOML (schema study/2) per system, the rules that keep it honest, and what they find.

`simcore study list|run|check|show`; docs/studies.md is generated from the answers.
"""
