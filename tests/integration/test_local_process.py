"""A child process lives as long as it should, and no longer."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from processor.local.errors import LocalServiceError
from processor.local.process import ChildProcess
from processor.local.service import wait_until
from tests.waiting import GUARD_S, eventually

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
]


def is_gone(pid: int) -> bool:
    """Whether the process has ended; a zombie that nobody has waited for has ended too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return not answers_signal(pid)


def answers_signal(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_missing(path: Path) -> bool:
    return not path.exists()


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[ChildProcess]:
    child = ChildProcess("sleeper", SLEEPER, log_path=tmp_path / "log")
    yield child
    child.kill()


def test_stop_ends_the_program_and_tells_how_it_ended(sleeper: ChildProcess) -> None:
    assert sleeper.is_running
    sleeper.stop()
    assert sleeper.exit_code == 128 + signal.SIGTERM
    assert is_gone(sleeper.pid)


def test_stop_and_kill_are_harmless_once_it_has_ended(sleeper: ChildProcess) -> None:
    sleeper.kill()
    sleeper.stop()
    sleeper.kill()
    assert sleeper.exit_code == 128 + signal.SIGKILL


def test_a_program_that_ignores_the_request_is_ended_by_force(tmp_path: Path) -> None:
    child = ChildProcess("stubborn", STUBBORN, log_path=tmp_path / "log")
    assert eventually(lambda: "deaf" in child.log_tail())
    child.stop(grace_s=0.2)
    assert child.exit_code == 128 + signal.SIGKILL
    assert is_gone(child.pid)


def test_a_frozen_program_can_be_stopped(sleeper: ChildProcess) -> None:
    sleeper.freeze()
    sleeper.stop()
    assert sleeper.exit_code == 128 + signal.SIGTERM


def test_a_frozen_program_does_nothing_more(tmp_path: Path) -> None:
    program = "import itertools, sys\nfor n in itertools.count(): print(n, flush=True)"
    child = ChildProcess("counter", [sys.executable, "-c", program], log_path=tmp_path / "log")
    assert eventually(lambda: (tmp_path / "log").stat().st_size > 0)
    child.freeze()
    written = (tmp_path / "log").stat().st_size
    assert not child.wait(0.2)
    assert (tmp_path / "log").stat().st_size == written
    child.send_signal(signal.SIGCONT)
    assert eventually(lambda: (tmp_path / "log").stat().st_size > written)
    child.kill()


def test_the_exit_code_of_a_program_is_its_own(tmp_path: Path) -> None:
    child = ChildProcess("brief", ["/bin/sh", "-c", "exit 3"], log_path=tmp_path / "log")
    assert child.wait(GUARD_S)
    assert child.exit_code == 3


def test_it_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    started: list[ChildProcess] = []
    thread = threading.Thread(
        target=lambda: started.append(ChildProcess("sleeper", SLEEPER, log_path=tmp_path / "log")),
    )
    thread.start()
    thread.join()
    [child] = started
    assert not child.wait(1.0)
    child.kill()


def test_a_ctrl_c_at_the_terminal_does_not_reach_it(sleeper: ChildProcess) -> None:
    assert os.getpgid(sleeper.pid) != os.getpgid(0)
    assert os.getsid(sleeper.pid) != os.getsid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_it_dies_with_its_keeper(sleeper: ChildProcess) -> None:
    keeper_pid = int(Path(f"/proc/{sleeper.pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(keeper_pid, signal.SIGKILL)
    assert eventually(lambda: is_gone(sleeper.pid))


def test_a_program_that_cannot_run_says_why(tmp_path: Path) -> None:
    child = ChildProcess("nothing", [str(tmp_path / "nothing")], log_path=tmp_path / "log")
    with pytest.raises(LocalServiceError, match="No such file"):
        wait_until(lambda: False, child, timeout_s=GUARD_S)


def test_a_failed_start_shows_the_end_of_the_log(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "seq 1000; echo the disk is full >&2; exit 1"]
    child = ChildProcess("service", command, log_path=tmp_path / "log")
    with pytest.raises(
        LocalServiceError, match=r"service ended at its start(?s:.*)999\n(?s:.*)the disk is full"
    ) as failed:
        wait_until(lambda: False, child, timeout_s=GUARD_S)
    assert "\n  500\n" not in str(failed.value)


def test_a_silent_start_is_given_up(sleeper: ChildProcess) -> None:
    with pytest.raises(LocalServiceError, match="did not answer within 0 s"):
        wait_until(lambda: False, sleeper, timeout_s=0.1)


def test_services_end_and_clean_up_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import sys, time
        from processor.local import KafkaCluster, Valkey
        with KafkaCluster() as kafka, Valkey() as valkey:
            valkey.pause()  # even one that cannot hear
            print(kafka.broker(0).process.pid, kafka.broker(0).folder.parent, flush=True)
            print(valkey.process.pid, valkey.process.log_path.parent, flush=True)
            time.sleep(600)
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=tmp_path) as parent:
        assert parent.stdout is not None
        lines = [parent.stdout.readline().split() for _ in range(2)]
        services = [(int(pid), Path(folder)) for pid, folder in lines]
        assert not any(is_gone(pid) for pid, _ in services)
        assert all(folder.is_dir() for _, folder in services)
        parent.kill()
    for pid, folder in services:
        assert eventually(partial(is_gone, pid))
        assert eventually(partial(is_missing, folder))
