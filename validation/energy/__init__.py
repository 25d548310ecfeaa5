"""Proof of throughput and board power on measured servers, through `simulate`."""
