"""One chaos run from its plan to its verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos.run.director import Director
from tests.chaos.run.producing import Sender
from tests.chaos.run.records import sendings
from tests.chaos.run.report import table, write_report
from tests.chaos.run.schedule import Plan, encode_plan
from tests.chaos.run.verdict import Verdict, judge, judge_processes, said
from tests.chaos.run.world import World, make_world, start_members
from tests.support.indexing import World as Reading
from tests.waiting import eventually

Say = Callable[[str], None]


def run_chaos(plan: Plan, folder: Path, say: Say) -> bool:
    """Run it; True when everything came out as the oracle says. Leaves schedule, logs and report in the folder."""
    began_s = time.monotonic()
    (folder / "schedule.json").write_bytes(encode_plan(plan))
    with make_world(plan, folder) as world:
        say(f"up: {world.kafka.bootstrap} {world.redis.url}")
        verdict, parts = _play(world, say)
    judge_processes(verdict, world.crew)
    parts |= {"processes": world.crew.counts, "said": said(world.crew), "figures": verdict.figures}
    write_report(folder, plan, time.monotonic() - began_s, parts, not verdict.complaints)
    say(_summary(plan, folder, verdict, table(parts)))
    return not verdict.complaints


def _play(world: World, say: Say) -> tuple[Verdict, dict[str, dict[str, int]]]:
    plan, topic = world.plan, world.settings.topics.events
    records = sendings(plan.seed, plan.records, world.schema_id)
    sender = Sender(world.kafka.bootstrap, topic, plan.seconds, records)
    director = Director(world, say)
    start_members(world)
    assert eventually(lambda: all(each.is_at_work for each in world.crew.all)), "the members do not start"
    director.start()
    sender.start()
    director.finish()
    sender.finish()
    behind = Reading(world.settings).behind()
    say(f"{len(sender.acknowledged)} records acknowledged, {sender.refused} refused; waiting for the members")
    verdict = Verdict(list(director.failures))
    if not director.failures:
        judge(verdict, world, sender.acknowledged, say)
    verdict.figures["records not yet committed when the faults ended"] = behind
    verdict.figures |= {"records sent": len(records), "records acknowledged": len(sender.acknowledged)}
    return verdict, {"faults": director.counts}


def _summary(plan: Plan, folder: Path, verdict: Verdict, figures: str) -> str:
    if not verdict.complaints:
        return f"{figures}\nseed {plan.seed}: no difference"
    replay = f"python -m tests.chaos.run --schedule {folder}/schedule.json"
    return "\n".join(
        (figures, str(plan), *verdict.complaints, f"seed {plan.seed}: DIFFERENT; logs in {folder}; replay: {replay}")
    )
