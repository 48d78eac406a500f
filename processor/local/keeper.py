"""Runs one program and never lets it outlive the process that asked for it.

Started by `processor.local.process` as a script of its own, with nothing but the standard library, since it stands
between the two for as long as the program runs:

1. It is told what to do over its standard input: each byte is a signal number to pass on to the program.
2. When that pipe closes, or it finds itself with another parent, the process that asked is gone, however it went.
   It then ends the program (SIGTERM, a grace, SIGKILL) and removes the folder it was given.
3. Should the keeper itself be killed, Linux kills the program with it (PR_SET_PDEATHSIG). The keeper has one
   thread, so the well-known trap of that call, that it follows the thread and not the process, does not exist here.
4. It prints the program's process id at the start and ends with the program's exit code (128 + n after signal n).

A signal reaches the program through its parent and before that parent has waited for it, so never a stranger who got
its number.
"""

import ctypes
import os
import select
import shutil
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
POLL_S = 0.2
GRACE_S = 5.0


def die_with_parent(parent_pid: int) -> None:
    """Ask Linux to kill this process when its parent dies; nothing to ask elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before the call
        os._exit(127)


def start(command: list[str]) -> int:
    """Fork the program, its output going where this one's errors go, and return its process id."""
    keeper_pid = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        die_with_parent(keeper_pid)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        os.execv(command[0], command)  # noqa: S606  the point of this file
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error}\n".encode())
    os._exit(127)


def exit_code(pid: int) -> int | None:
    """Return the program's exit code once it has ended."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    if not ended:
        return None
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def wake_on_child_end() -> int:
    """Return a descriptor that becomes readable when the program ends, so that nobody waits for the next poll."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return readable


def read_signals(parent_pid: int, wake: int) -> bytes | None:
    """Return the signals asked for since the last look, or None when the asking process is gone."""
    readable, _, _ = select.select([0, wake], [], [], POLL_S)
    if wake in readable:
        os.read(wake, 64)
    if 0 in readable:
        return os.read(0, 64) or None
    return b"" if os.getppid() == parent_pid else None


def end(pid: int) -> int:
    """End the program in order if it lets itself be ended so, by force if not."""
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGCONT)  # a stopped program would not hear of it
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        code = exit_code(pid)
        if code is not None:
            return code
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def keep(parent_pid: int, pid: int, remove: str, wake: int) -> int:
    """Pass signals on until the program has ended or its owner is gone."""
    while True:
        code = exit_code(pid)
        if code is not None:
            return code
        asked = read_signals(parent_pid, wake)
        if asked is None:
            end(pid)
            if remove:
                shutil.rmtree(remove, ignore_errors=True)
            return 1
        for number in asked:
            os.kill(pid, number)


def main() -> int:
    """Keep one program: `keeper.py PARENT_PID FOLDER_TO_REMOVE COMMAND…`."""
    parent_pid, remove, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    wake = wake_on_child_end()
    pid = start(command)
    sys.stdout.write(f"{pid}\n")
    sys.stdout.close()
    return keep(parent_pid, pid, remove, wake)


if __name__ == "__main__":
    sys.exit(main())
