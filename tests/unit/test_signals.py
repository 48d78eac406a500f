"""A signal ends the process in order whenever it comes: amid a line of the log, or of the start."""

import signal
import subprocess
import sys

import pytest

from tests.waiting import GUARD_S

TALKATIVE = """
import threading
import structlog
from processor.signals import heeding

log, stop = structlog.get_logger(), threading.Event()

def heed(name):
    log.info("stopping", signal=name)
    stop.set()

with heeding(heed):
    print("ready", flush=True)
    while not stop.is_set():
        log.info("a line of some length", words=["and", "many", "words"] * 20)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT] * 3)
def test_a_process_that_always_logs_heeds_a_signal(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", TALKATIVE], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"ready" in process.stdout.readline()
        for _ in range(200):
            process.stdout.readline()
        process.send_signal(number)
        last = process.stdout.read()
        assert process.wait(60) == 0
    assert number.name.encode() in last


def test_who_asked_before_is_asked_again_afterwards() -> None:
    script = """
import os, signal
from processor.signals import heeding
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append("before"))
with heeding(heard.append):
    os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGTERM)
assert heard == ["SIGTERM", "before"], heard
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_an_alerter_that_is_asked_to_end_between_its_wait_for_topics_and_its_work_ends_in_order() -> None:
    script = """
import os, signal, sys
from processor import roles, topics
from processor.alerter import run
from processor.settings import Http, Settings
topics.ensure_topics = lambda settings: []
run.load_policy = lambda file: os.kill(os.getpid(), signal.SIGTERM)
kafka, redis_url = {"bootstrap.servers": "127.0.0.1:1"}, "redis://127.0.0.1:1"
settings = Settings(kafka=kafka, redis_url=redis_url, http=Http(alerter_port=0))
sys.exit(roles.run_role(settings, roles.Role.ALERTER))
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=GUARD_S)
