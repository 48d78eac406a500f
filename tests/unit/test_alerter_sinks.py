"""What sinks are told, and that one which is down delays, loses nothing and holds up nobody."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from processor import wiring
from processor.alerter.life import fire, resolve
from processor.alerter.sinks import crew
from processor.alerter.sinks.alertmanager import KEPT_US, Board
from processor.alerter.sinks.bodies import escaped, signature, slack_body, webhook_body
from processor.alerter.sinks.config import SLACK, WEBHOOK, SinksConfig
from processor.alerter.sinks.crew import Crew
from processor.alerter.state import MemoryAlerts
from processor.doctor.sinks import of_sinks
from processor.model.alert import Affected, Alert, AlertKind, Finding, Impact, Note, Severity, Status
from processor.model.change import Cause
from processor.model.identity import dataset, job
from processor.render.alerts import alert_record
from processor.settings import load
from tests.support.listening import Listener, listening

SECRET = "s3"  # noqa: S105  of a test
NOW_US = 1_800_000_000_000_000
ORDERS = dataset("postgres://shop:5432", "public.orders")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_PAUSES_S", (0.01,))
    monkeypatch.setattr(crew, "_LOOK_S", 0.01)


def finding(alert_id: str = "a1", severity: Severity = Severity.CRITICAL, summary: str = "amount is gone") -> Finding:
    cause = Cause(job("airflow", "ingest"), "run-1")
    return Finding(alert_id, AlertKind.SCHEMA_DRIFT, severity, ORDERS, summary, NOW_US - 60_000_000, cause)


def firing(alert_id: str = "a1", severity: Severity = Severity.CRITICAL) -> Alert:
    step = fire(None, finding(alert_id, severity), "https://wiki/schema_drift.md")
    assert step is not None
    return step.alert


def published(alerts: MemoryAlerts, *steps: object) -> None:
    """Take steps, and let the topic confirm them."""
    for step in steps:
        assert alerts.step(step)  # type: ignore[arg-type]  # what `life` gives, None too
    alerts.confirm(alerts.pending(1000))


def opened(alert_id: str = "a1", severity: Severity = Severity.CRITICAL) -> Any:  # noqa: ANN401
    return fire(None, finding(alert_id, severity), "docs/runbooks/schema_drift.md")


@asynccontextmanager
async def telling(
    config: SinksConfig, alerts: MemoryAlerts, leads: Callable[[], bool] = lambda: True
) -> AsyncIterator[Crew]:
    sinks = Crew(config, alerts, leads)
    task = asyncio.ensure_future(sinks.run())
    try:
        yield sinks
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        sinks.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  nobody tells when it does
            await asyncio.sleep(0.005)


def keys(listener: Listener) -> list[str]:
    return [each.headers["Idempotency-Key"] for each in listener.heard]


def test_a_webhook_gets_each_transition_as_the_command_prints_it_and_signed() -> None:
    async def run() -> None:
        alerts = MemoryAlerts([WEBHOOK])
        first = opened()
        published(alerts, first, resolve(first.alert, NOW_US))
        async with listening() as there, telling(SinksConfig(webhook_url=there.url, webhook_secret=SECRET), alerts):
            await until(lambda: alerts.untold(WEBHOOK) == 0)
        assert keys(there) == ["a1:1", "a1:2"]
        assert [each.json["status"] for each in there.heard] == ["firing", "resolved"]
        assert there.heard[0].json == json.loads(json.dumps(alert_record(first.alert)))
        stamp, _, signed = there.heard[0].headers["Lineage-Signature"].partition(",v1=")
        body = f"{stamp.removeprefix('t=')}.".encode() + there.heard[0].body
        assert hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest() == signed

    asyncio.run(run())


@pytest.mark.parametrize("answer", [500, 503, 429, 408, 401, 403, 404, 302])
def test_what_is_not_taken_now_is_told_later_in_order(answer: int) -> None:
    async def run() -> None:
        alerts = MemoryAlerts([WEBHOOK])
        first = opened()
        published(alerts, first, resolve(first.alert, NOW_US))
        async with listening(answer, answer) as there, telling(SinksConfig(webhook_url=there.url), alerts):
            await until(lambda: alerts.untold(WEBHOOK) == 0)
        assert keys(there) == ["a1:1", "a1:1", "a1:1", "a1:2"]

    asyncio.run(run())


@pytest.mark.parametrize("answer", [400, 413, 415, 422])
def test_what_is_refused_for_good_is_out_of_the_way(answer: int) -> None:
    async def run() -> None:
        alerts = MemoryAlerts([WEBHOOK])
        published(alerts, opened("a1"), opened("a2"))
        async with listening(answer) as there, telling(SinksConfig(webhook_url=there.url), alerts):
            await until(lambda: alerts.untold(WEBHOOK) == 0)
        assert keys(there) == ["a1:1", "a2:1"]

    asyncio.run(run())


def test_a_sink_that_asks_to_be_left_alone_is() -> None:
    async def run() -> None:
        alerts = MemoryAlerts([WEBHOOK])
        published(alerts, opened())
        busy = web.Response(status=429, headers={"Retry-After": "1"})
        async with listening(busy) as there, telling(SinksConfig(webhook_url=there.url), alerts):
            began_s = time.monotonic()
            await until(lambda: alerts.untold(WEBHOOK) == 0)
            assert time.monotonic() - began_s >= 1

    asyncio.run(run())


def test_a_sink_that_hangs_holds_up_no_other() -> None:
    async def run() -> None:
        alerts, never = MemoryAlerts([WEBHOOK, SLACK]), asyncio.Event()
        published(alerts, opened())
        async with listening() as slow, listening() as there:
            slow.hang = never.wait
            config = SinksConfig((slow.url, there.url), webhook_url=slow.url, slack_url=there.url, timeout_s=0.2)
            async with telling(config, alerts):
                await until(lambda: alerts.untold(SLACK) == 0 and len(there.heard) > 1)
                assert alerts.untold(WEBHOOK) == 1
                await until(lambda: len(slow.heard) > 4)
                slow.hang = None
                await until(lambda: alerts.untold(WEBHOOK) == 0)

    asyncio.run(run())


def test_one_that_comes_back_hears_what_it_missed() -> None:
    async def run() -> None:
        alerts = MemoryAlerts([WEBHOOK])
        async with listening() as gone:
            url, port = gone.url, int(gone.url.rpartition(":")[2])
        async with telling(SinksConfig(webhook_url=url), alerts) as sinks:
            published(alerts, opened("a1"), opened("a2"))
            sinks.wake()
            await asyncio.sleep(0.1)
            async with listening(port=port) as back:
                await until(lambda: alerts.untold(WEBHOOK) == 0)
            assert keys(back) == ["a1:1", "a2:1"]

    asyncio.run(run())


def test_only_who_leads_tells() -> None:
    async def run() -> None:
        alerts, leading = MemoryAlerts([WEBHOOK]), list[bool]()
        published(alerts, opened())
        async with listening() as there, telling(SinksConfig((there.url,), there.url), alerts, lambda: bool(leading)):
            await asyncio.sleep(0.1)
            assert there.heard == []
            leading.append(True)
            await until(lambda: len(there.heard) == 2)

    asyncio.run(run())


def test_a_full_queue_keeps_the_newest_of_each_alert() -> None:
    alerts = MemoryAlerts([WEBHOOK], queue_limit=3)
    known = opened("a1")
    published(alerts, known, opened("a2"), opened("a3"))
    for _ in range(4):
        over = resolve(known.alert, NOW_US)
        known = fire(over.alert, finding("a1"), "r")
        published(alerts, over, known)
    assert [(each.alert_id, each.version) for each in alerts.to_tell(WEBHOOK, 10)] == [("a2", 1), ("a3", 1), ("a1", 9)]


def test_slack_hears_of_what_is_grave_enough_and_the_last_word_only() -> None:
    async def run() -> None:
        alerts = MemoryAlerts([SLACK])
        first = opened("a1")
        published(alerts, first, opened("a2", Severity.INFO), resolve(first.alert, NOW_US))
        async with listening() as there, telling(SinksConfig(slack_url=there.url), alerts):
            await until(lambda: alerts.untold(SLACK) == 0)
        assert [each.json["text"] for each in there.heard] == ["resolved: schema_drift: amount is gone"]

    asyncio.run(run())


def test_what_is_muted_is_not_told_but_its_end_closes_it_at_the_webhook() -> None:
    async def run() -> None:
        alerts, note = MemoryAlerts([WEBHOOK, SLACK]), Note("sam", NOW_US, "known", NOW_US + 1)
        first = replace(opened(), alert=replace(opened().alert, muted=note))
        published(alerts, first, resolve(first.alert, NOW_US))
        async with listening() as there, listening() as slack:
            async with telling(SinksConfig(webhook_url=there.url, slack_url=slack.url), alerts):
                await until(lambda: alerts.untold(WEBHOOK) == alerts.untold(SLACK) == 0)
            assert keys(there) == ["a1:2"]
            assert slack.heard == []

    asyncio.run(run())


def test_slack_cannot_be_made_to_mention_or_link() -> None:
    alert = firing()
    hostile = replace(alert, finding=replace(alert.finding, summary="<!channel> & <https://evil|click>\x1b[2J"))
    text = slack_body(hostile).decode()
    assert "<!channel>" not in text
    assert "<https://evil" not in text
    assert "\\u001b" not in text
    assert "<https://wiki/schema_drift.md|runbook>" in text
    assert escaped("a<b>&c") == "a&lt;b&gt;&amp;c"


def test_a_message_for_slack_stays_within_its_limits() -> None:
    alert = firing()
    columns = tuple(Affected(dataset("ns", "t" * 900 + str(n)), 1) for n in range(50))
    long = replace(alert, finding=replace(alert.finding, summary="x" * 9000, impact=Impact(datasets=columns)))
    body = json.loads(slack_body(long))
    blocks = body["attachments"][0]["blocks"]
    assert max(len(body["text"]), len(blocks[0]["text"]["text"]), len(blocks[1]["elements"][0]["text"])) <= 3000


def test_a_signature_depends_on_time_body_and_secret() -> None:
    body = webhook_body(firing())
    signed = {signature("a", 1, body), signature("b", 1, body), signature("a", 2, body), signature("a", 1, body + b" ")}
    assert len(signed) == 4


def test_alertmanager_is_told_what_fires_until_it_is_over() -> None:
    board, alert = Board(60), firing()
    (post,) = board.posts([alert], NOW_US)
    assert post["labels"] == {
        "alertname": "schema_drift",
        "severity": "critical",
        "alert_id": "a1",
        "namespace": "postgres://shop:5432",
        "subject": "dataset:postgres://shop:5432:public.orders",
    }
    assert post["annotations"]["summary"] == "amount is gone"
    assert post["annotations"]["runbook_url"] == "https://wiki/schema_drift.md"
    assert post["annotations"]["cause"] == "airflow.ingest"
    assert post["startsAt"] < "2027-01-15T08:00:00.000000Z" < post["endsAt"]
    (over,) = board.posts([resolve(alert, NOW_US).alert], NOW_US + 5)
    assert over["endsAt"] == "2027-01-15T08:00:00.000000Z"


def test_an_alert_that_became_graver_ends_under_its_former_labels() -> None:
    board, mild = Board(60), firing(severity=Severity.WARNING)
    board.posts([mild], NOW_US)
    grave = firing()
    told = {post["labels"]["severity"]: post["endsAt"] for post in board.posts([grave], NOW_US)}
    assert told["warning"] == "2027-01-15T08:00:00.000000Z" < told["critical"]
    assert len(board.posts([grave], NOW_US + KEPT_US // 2)) == 2
    assert len(board.posts([grave], NOW_US + 2 * KEPT_US)) == 1
    back = {post["labels"]["severity"]: post["endsAt"] for post in board.posts([mild], NOW_US + 2 * KEPT_US)}
    assert back["warning"] > back["critical"]


def test_a_muted_alert_is_over_for_alertmanager_and_then_silent() -> None:
    muted = replace(firing(), muted=Note("sam", NOW_US, "known", NOW_US + 10 * KEPT_US))
    (post,) = Board(60).posts([muted], NOW_US + 1_000_000)
    assert post["endsAt"] == "2027-01-15T08:00:01.000000Z"
    assert Board(60).posts([muted], NOW_US + 2 * KEPT_US) == []


def test_alertmanager_never_gets_an_end_before_a_start() -> None:
    ahead = replace(firing(), started_us=NOW_US + 9_000_000)
    over = replace(ahead, status=Status.RESOLVED, ends_us=NOW_US - 9_000_000)
    for alert in (ahead, over):
        (post,) = Board(60).posts([alert], NOW_US)
        assert post["startsAt"] <= post["endsAt"]


def test_every_peer_is_told_at_once_and_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_POSTS", 2)

    async def run() -> None:
        alerts = MemoryAlerts()
        async with listening() as one, listening(500) as other:
            async with telling(SinksConfig((one.url, f"{other.url}/")), alerts) as sinks:
                published(alerts, *(opened(f"a{n}") for n in range(5)))
                sinks.wake()
                await until(lambda: len(told(one)) == len(told(other)) == 5)
            assert {each.path for each in one.heard + other.heard} == {"/api/v2/alerts"}
            assert max(len(each.json) for each in one.heard) == 2

    def told(listener: Listener) -> set[str]:
        return {post["labels"]["alert_id"] for each in listener.heard for post in each.json}

    asyncio.run(run())


def test_a_single_pass_tells_once_and_leaves_the_rest_in_the_queue() -> None:
    async def run() -> None:
        alerts = MemoryAlerts([WEBHOOK, SLACK])
        published(alerts, opened("a1"), opened("a2"))
        async with listening() as there, listening(500, 500) as broken:
            config = SinksConfig((there.url, broken.url), webhook_url=there.url, slack_url=broken.url)
            once = Crew(config, alerts, lambda: True)
            await once.once()
            once.close()
        assert len(there.heard) == 3
        assert (alerts.untold(WEBHOOK), alerts.untold(SLACK)) == (0, 2)

    asyncio.run(run())


def test_settings_reach_the_sinks(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "KAFKA__BOOTSTRAP_SERVERS": "kafka:9092",
        "RUNBOOKS_URL": "https://wiki/books/",
        "SINKS__ALERTMANAGER_URLS": "http://am-0:9093,http://am-1:9093",
        "SINKS__WEBHOOK_URL": "http://hook",
        "SINKS__WEBHOOK_SECRET": SECRET,
        "SINKS__RESEND_S": "30",
    }
    for name, value in told.items():
        monkeypatch.setenv(f"LINEAGE_{name}", value)
    config = wiring.alerter_config(load())
    assert config.sinks == SinksConfig(("http://am-0:9093", "http://am-1:9093"), "http://hook", SECRET, resend_s=30)
    assert config.sinks.queued == (WEBHOOK,)
    assert SECRET not in repr(config)
    assert wiring.alerter_parts(load()).runbook(AlertKind.STUCK_RUN) == "https://wiki/books/stuck_run.md"


def test_the_doctor_asks_each_sink_and_tells_it_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("alertmanager", WEBHOOK, SLACK)

    async def run() -> None:
        async with listening(405, 405, 405) as there:
            for name in ("ALERTMANAGER_URLS", "WEBHOOK_URL", "SLACK_URL"):
                monkeypatch.setenv(f"LINEAGE_SINKS__{name}", there.url)
            found = await asyncio.to_thread(lambda: list(of_sinks(load())))
            assert [(check.name, check.ok) for check in found] == [(n, n != "alertmanager") for n in names]
            assert {heard.body for heard in there.heard} == {b""}
        gone = await asyncio.to_thread(lambda: list(of_sinks(load())))
        assert [(check.name, check.ok) for check in gone] == [(n, False) for n in names]

    asyncio.run(run())
