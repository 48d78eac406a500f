"""`lineage run`: one role in this process, or each in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

from processor.model.errors import UsageError
from processor.roles import Role, check, run_role
from processor.settings import Settings
from processor.settings_sources import environment_for_child
from processor.signals import end_at_once
from processor.supervisor import Child, Supervisor
from processor.telemetry import logs

__all__ = ["Role", "run"]


def run(settings: Settings, *, role: Role | None = None, workers: int = 1, until_caught_up: bool = False) -> int:
    """Run the roles that were asked for; all of them when none is named. Returns the exit code.

    With `until_caught_up` the indexers end when they have indexed what is in the topics now; if all roles were asked
    for, one pass over the alerts follows. Raises `UsageError`.
    """
    _check(role, workers, until_caught_up=until_caught_up)
    check(settings)
    if role is not None and workers == 1:
        code = run_role(settings, role, until_caught_up=until_caught_up)
        if role is Role.API:
            end_at_once(code)
        return code
    logs.configure(settings.log_level, settings.log_format, role="supervisor", pid=os.getpid())
    children = list(_children(settings, role, workers, until_caught_up=until_caught_up))
    supervisor = Supervisor(children, once=until_caught_up, shutdown_timeout_s=settings.shutdown_timeout_s)
    code = supervisor.run()
    if code or not until_caught_up or role is not None or supervisor.stop.is_set():
        return code
    return _pass_over_alerts(settings)


def _check(role: Role | None, workers: int, *, until_caught_up: bool) -> None:
    if workers < 1:
        raise UsageError("--workers must be at least 1")
    if role is Role.ALERTER and workers > 1:
        raise UsageError("--workers is for the indexer; one alerter leads, others would only stand by")
    if role is Role.API and (workers > 1 or until_caught_up):
        raise UsageError("--workers and --until-caught-up are for the indexer")
    if role is Role.ALERTER and until_caught_up:
        raise UsageError("--until-caught-up is for the indexer; use `lineage reconcile` for one pass over the alerts")


def _children(settings: Settings, role: Role | None, workers: int, *, until_caught_up: bool) -> Iterator[Child]:
    if role is not Role.ALERTER:
        goal = ("--until-caught-up",) if until_caught_up else ()
        for number in range(workers):
            environment = _environment(_of_worker(settings, number, workers))
            yield Child(f"indexer {number + 1}", ("run", "--role", Role.INDEXER.value, *goal), environment)
    if role is None and not until_caught_up:
        yield Child("alerter", ("run", "--role", Role.ALERTER.value), _environment(settings))
        yield Child("api", ("run", "--role", Role.API.value), _environment(settings))


def _of_worker(settings: Settings, number: int, workers: int) -> Settings:
    """What differs from worker to worker: its port, and its name in the group if it has one."""
    http, instance = settings.http, settings.group_instance_id
    port = http.indexer_port + number if http.indexer_port else 0
    named = f"{instance}-{number}" if instance and workers > 1 else instance
    return settings.changed(http=http.model_copy(update={"indexer_port": port}), group_instance_id=named)


def _environment(settings: Settings) -> dict[str, str]:
    return environment_for_child(settings.changed(supervised=True).to_environment())


def _pass_over_alerts(settings: Settings) -> int:
    from processor.alerting_pass import pass_over_alerts  # noqa: PLC0415  only where it is wanted

    pass_over_alerts(settings)
    return 0
