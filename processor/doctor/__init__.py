"""`lineage doctor`: is everything there that the processor needs, and if not, what to do."""

from processor.doctor.checks import Check
from processor.doctor.look import diagnose, of_problems

__all__ = ["Check", "diagnose", "of_problems"]
