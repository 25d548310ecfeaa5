"""Scenarios become runs: names are looked up, traffic is drawn, memory is sized, engines are called."""
