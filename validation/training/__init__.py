"""Training steps predicted against published runs: tables by kind, constants fitted by whole groups, scores."""
