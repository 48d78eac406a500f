"""The command `lineage`: arguments in, exit code out.

Modules here load what they need inside the commands, so that `lineage --help` answers at once.
"""

from processor.cli.app import main

__all__ = ["main"]
