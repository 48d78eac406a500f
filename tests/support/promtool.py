"""The real promtool, from the distribution's package."""

import subprocess


def complaints(*arguments: str) -> str:
    """What promtool says against it; empty when it has nothing to say."""
    command = ["promtool", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
