"""Every parallel plan and switch of a training step, vectorised and streamed; uneven stages; sequence groups."""
