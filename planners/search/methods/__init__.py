"""One search method per file; each module holds a `METHOD`."""
