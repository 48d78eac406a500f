"""Types that are read into by several threads of a process that has read into none before."""

from __future__ import annotations

import subprocess
import sys

import pytest

_CHILD = """
import sys, threading
from processor.alerter.state import decode, encode
from processor.model.alert import Alert, AlertKind, Finding, Impact, Severity, Status
from processor.model.identity import dataset
from processor.judging.verdicts import impacted

finding = Finding("a1", AlertKind.SCHEMA_DRIFT, Severity.WARNING, dataset("ns", "orders"), "broke", 7)
data = encode(Alert(finding, Status.FIRING, 7, None, "runbook"))
sys.setswitchinterval(1e-6)
first, found = threading.Barrier(6), []

def read():
    first.wait()
    found.append((decode(data).finding, impacted(Impact())))

threads = [threading.Thread(target=read) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(found) == 6 and {each[0] for each in found} == {finding}
"""


@pytest.mark.parametrize("attempt", range(5))
def test_threads_may_read_the_first_thing_at_once(attempt: int) -> None:
    child = subprocess.run([sys.executable, "-c", _CHILD], capture_output=True, text=True, check=False)
    assert child.returncode == 0, (attempt, child.stderr)
