"""What happens when in a chaos run: a pure function of the seed and the length, written down so that it replays."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

import msgspec

RedisMode = Literal["sentinel", "cluster"]

_FIRST_S: Final = 3.0
_Choice = tuple[int, str, tuple[float, float]]
"""Weight, fault, and for how long it holds (seconds, from and to)."""

_MEMBERS: Final[tuple[_Choice, ...]] = (
    (5, "kill_indexer", (0, 0)),
    (3, "kill_alerter", (0, 0)),
    (2, "freeze_indexer", (8, 11)),
    (2, "freeze_alerter", (8, 11)),
    (2, "join_indexer", (5, 12)),
    (2, "leave_indexer", (3, 8)),
    (1, "leave_alerter", (3, 8)),
    (1, "all_indexers_die", (1, 4)),
)
_KAFKA: Final[tuple[_Choice, ...]] = (
    (4, "kill_broker", (2, 8)),
    (3, "pause_broker", (2, 9)),
    (1, "kill_two_brokers", (3, 7)),
)
_SENTINEL: Final[tuple[_Choice, ...]] = (
    (3, "restart_redis", (0, 0)),
    (2, "fail_over", (0, 0)),
    (2, "fail_over_with_loss", (1, 4)),
    (2, "restore_old_snapshot", (2, 6)),
    (2, "pause_redis", (1, 7)),
    (2, "flush_all", (0, 0)),
    (2, "flush_scripts", (0, 0)),
    (2, "redis_full", (2, 6)),
    (2, "redis_disk_full", (2, 6)),
)
_CLUSTER: Final[tuple[_Choice, ...]] = (
    (3, "kill_master", (4, 8)),
    (2, "restart_master_empty", (0, 0)),
    (3, "pause_master", (1, 7)),
    (2, "flush_master", (0, 0)),
    (2, "flush_scripts", (0, 0)),
    (2, "redis_full", (2, 6)),
)
_REGISTRY: Final[tuple[_Choice, ...]] = ((1, "registry_away", (3, 10)),)


class Act(NamedTuple):
    """One fault: begun at a second of the run, held so long, then undone. `dice` picks its victim."""

    number: int
    lane: str
    at_s: float
    fault: str
    hold_s: float
    dice: int

    def __str__(self) -> str:
        hold = f" for {self.hold_s:.1f} s" if self.hold_s else ""
        return f"{self.number:3d}  {self.at_s:6.1f} s  {self.fault}{hold} (dice {self.dice})"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run is: replaying it needs nothing else."""

    seed: int
    seconds: float
    rate: float
    redis: RedisMode
    has_registry: bool
    group_protocol: Literal["classic", "consumer"]
    is_static: bool
    indexers: int
    alerters: int
    partitions: int
    batch_size: int
    acts: tuple[Act, ...]

    @property
    def records(self) -> int:
        """How many records are sent, about."""
        return int(self.rate * self.seconds)

    def only(self, words: tuple[str, ...]) -> Plan:
        """The same run with only those acts whose fault, lane or number is named."""
        chosen = tuple(act for act in self.acts if {act.fault, act.lane, str(act.number)} & set(words))
        return replace(self, acts=chosen)

    def __str__(self) -> str:
        redis = "Valkey with a replica and a sentinel" if self.redis == "sentinel" else "Valkey Cluster"
        static = "static" if self.is_static else "dynamic"
        registry = "a registry" if self.has_registry else "no registry"
        head = (
            f"seed {self.seed}: {self.seconds:.0f} s, {self.records} records to {self.partitions} partitions, {redis}"
        )
        indexers = f"{self.indexers} indexers ({self.group_protocol}, {static}, batches of {self.batch_size})"
        return "\n".join((f"{head}, {registry}, {indexers}, {self.alerters} alerters", *map(str, self.acts)))


def make_plan(seed: int, seconds: float, rate: float = 60.0) -> Plan:
    """Draw the run of a seed."""
    rng = random.Random(f"plan {seed}")
    redis: RedisMode = rng.choice(("sentinel", "sentinel", "cluster"))
    plan = Plan(
        seed=seed,
        seconds=seconds,
        rate=rate,
        redis=redis,
        has_registry=rng.random() < 0.25,
        group_protocol=rng.choice(("classic", "classic", "consumer")),
        is_static=rng.random() < 0.25,
        indexers=rng.choice((2, 2, 3)),
        alerters=2,
        partitions=rng.choice((3, 4, 6)),
        batch_size=rng.choice((50, 200, 1000)),
        acts=(),
    )
    return replace(plan, acts=tuple(_acts(plan)))


def _acts(plan: Plan) -> Iterator[Act]:
    """Every lane by itself: within one, the next fault waits until the last is undone."""
    lanes: dict[str, tuple[tuple[_Choice, ...], tuple[float, float]]] = {
        "members": (_MEMBERS, (2, 6)),
        "kafka": (_KAFKA, (6, 14)),
        "redis": (_SENTINEL if plan.redis == "sentinel" else _CLUSTER, (5, 11)),
        **({"registry": (_REGISTRY, (8, 20))} if plan.has_registry else {}),
    }
    drawn = [act for lane, (choices, rest) in lanes.items() for act in _lane(plan, lane, choices, rest)]
    drawn.sort(key=lambda act: act.at_s)
    yield from (act._replace(number=number) for number, act in enumerate(drawn, 1))


def _lane(plan: Plan, lane: str, choices: Sequence[_Choice], rest: tuple[float, float]) -> Iterator[Act]:
    rng = random.Random(f"{lane} {plan.seed}")
    weights = [weight for weight, _, _ in choices]
    at_s = _FIRST_S + rng.uniform(*rest)
    while at_s < plan.seconds:
        [(_, fault, hold)] = rng.choices(choices, weights)
        hold_s = round(rng.uniform(*hold), 1)
        yield Act(0, lane, round(at_s, 1), fault, hold_s, rng.randrange(1000))
        at_s += hold_s + rng.uniform(*rest)


def encode_plan(plan: Plan) -> bytes:
    """The plan as JSON, to be kept beside a run's logs."""
    return msgspec.json.format(msgspec.json.encode(plan))


def decode_plan(data: bytes) -> Plan:
    """Inverse of `encode_plan`."""
    return msgspec.json.decode(data, type=Plan)
