"""Plays one history through the product and keeps what it told, with the simulated time of each telling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import msgspec

from processor.detect.policy import Policy
from processor.model.alert import Alert, Severity, Status
from processor.model.identity import Node
from tests.eval.label import Label
from tests.eval.product import Product
from tests.eval.story import world_of
from tests.eval.timing import HOUR_US, MINUTE_US, START_US, at
from tests.eval.world import Delivery, World


class Size(NamedTuple):
    """How large a history is, and how often everything is looked at."""

    jobs: int = 300
    days: int = 60
    sweep_hours: float = 6.0


@dataclass(slots=True)
class Episode:
    """One alert from its firing to its end, if it ended. `is_handed_over`: another one tells of it from then on."""

    alert: Alert
    fired_us: int
    resolved_us: int | None = None
    last: Alert | None = None
    is_handed_over: bool = False


@dataclass(slots=True)
class Told:
    """What a history was, and what was told of it."""

    seed: int
    labels: list[Label]
    episodes: list[Episode]
    noises: dict[Node, list[tuple[int, str]]]
    events: int = 0


def play(seed: int, size: Size, tick: Callable[[float], None] = lambda _: None) -> Told:
    """Play the history of a seed to its end. `tick` is told the share that is done."""
    world = world_of(seed, jobs=size.jobs, days=size.days)
    product = Product(_policy(world))
    told = Told(seed, world.labels, [], world.noises)
    open_: dict[str, Episode] = {}
    step_us, end_us = int(size.sweep_hours * HOUR_US), at(size.days)
    due_us = START_US + step_us
    for minute_us, values in _minutes(world):
        while due_us <= minute_us:
            product.sweep(due_us)
            _keep(told, open_, product, due_us)
            tick((due_us - START_US) / (end_us - START_US))
            due_us += step_us
        product.take(values, minute_us)
        told.events += len(values)
        _keep(told, open_, product, minute_us)
    product.sweep(end_us)
    _keep(told, open_, product, end_us)
    return told


def _policy(world: World) -> Policy:
    """The default policy, with what the company declares."""
    known = {name: there for name, there in world.declared.items() if name in Policy.__struct_fields__}
    return msgspec.convert(known, Policy)


def _minutes(world: World) -> Iterator[tuple[int, list[bytes]]]:
    """What arrives in the same minute is one batch, taken at its end."""

    def minute_of(delivery: Delivery) -> int:
        return (delivery.arrives_us // MINUTE_US + 1) * MINUTE_US

    for minute_us, arrived in groupby(world.play(), minute_of):
        yield minute_us, [delivery.value for delivery in arrived]


def _keep(told: Told, open_: dict[str, Episode], product: Product, now_us: int) -> None:
    for alert in product.published():
        alert_id = alert.finding.alert_id
        if alert.status is Status.RESOLVED:
            if alert_id in open_:
                ended = open_.pop(alert_id)
                ended.resolved_us, ended.last = now_us, alert
                ended.is_handed_over = product.is_told_by_another(alert_id)
        elif alert_id in open_:
            open_[alert_id].last = alert
        else:
            open_[alert_id] = Episode(alert, now_us)
            told.episodes.append(open_[alert_id])


def is_grave(alert: Alert) -> bool:
    """Whether the alert is a warning or worse."""
    return alert.finding.severity is not Severity.INFO
