"""The hot path: consume, decode, reduce, apply, announce, commit."""
