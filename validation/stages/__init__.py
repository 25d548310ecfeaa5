"""Proof of TTFT, TPOT and E2E on load stages of measured servers, through `simulate`."""
