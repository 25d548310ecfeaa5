"""Of the project."""

VERSION = "0.1.0"
