"""Detectors: pure functions from what the index knows, the policy and the time to findings."""
