"""Speed and memory, measured in CPU seconds: `python -m benchmarks [TOPIC ...]` prints one `name: value` line each."""
