"""One file per family of architectures: `MODEL_TYPES` maps a `model_type` to the function that reads it."""
