"""Tasks over shared links, memories and engines: transfers, streams and offloads with contention.

`graph` says what there is to do, `run` does it in one compiled loop, `under_simpy` does the same inside a SimPy world,
`bounds` says what no order can beat.
"""
