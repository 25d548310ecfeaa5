"""Physics of operations, one file each: time from the shape, the chip's facts and a few efficiencies."""
