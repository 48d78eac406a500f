"""Building the index anew beside the live one."""

from processor.rebuild.build import Build, Plan, Told
from processor.rebuild.history import History

__all__ = ["Build", "History", "Plan", "Told"]
