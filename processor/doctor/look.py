"""All the looks of the doctor, and those at settings, Redis and the registry.

Every check ends within seconds, however broken the world is, and none changes anything but a probe key in Redis.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from redis.exceptions import NoPermissionError, RedisError

from processor import wiring
from processor.alerter.policy_file import load_policy
from processor.doctor.api import of_api
from processor.doctor.checks import Check, away, bad, good, unknown
from processor.doctor.kafka import of_kafka
from processor.doctor.sinks import of_sinks
from processor.index.connect import fullness, memory_of_masters
from processor.index.layout import FORMAT_VERSION
from processor.indexer.fullness import NEARLY_FULL
from processor.masking import masked_url
from processor.model.errors import DependencyError, UsageError
from processor.settings import Settings

__all__ = ["diagnose", "of_problems"]

_TIMEOUT_S: Final = 3.0
_OLDEST_REDIS: Final = (6, 2)
_ANY_ID: Final = 1


def diagnose(settings: Settings, problems: Sequence[str] = ()) -> list[Check]:
    """Look at settings, Kafka, Redis, the registry, the sinks and the API, all at the same time; in that order.

    `problems` are those that the settings had, which are without them by now.
    """
    looks: list[Callable[[Settings], Iterator[Check]]] = [
        *(_of_the_rest, of_kafka, _of_redis, _of_registry, of_sinks, of_api)
    ]
    with ThreadPoolExecutor(len(looks)) as pool:
        found = pool.map(lambda look: list(look(settings)), looks)
        of_settings = of_problems(problems) or [_read(settings)]
        return [*of_settings, *(check for checks in found for check in checks)]


def of_problems(problems: Sequence[str]) -> list[Check]:
    """What is wrong with the settings, a check each."""
    return [
        bad("settings", each, "correct it in the environment (in Kubernetes: ConfigMap, Secret) or lineage.toml")
        for each in problems
    ]


def _read(settings: Settings) -> Check:
    inputs = ", ".join(f"{each.topic} ({each.format})" for each in settings.input_topics)
    return good("settings", f"valid; reads {inputs}")


def _of_the_rest(settings: Settings) -> Iterator[Check]:
    yield _policy(settings.policy)
    yield _tried("schemas", "the contract and the facet schemas are valid", lambda: wiring.observers(settings))


def _policy(path: Path | None) -> Check:
    if path is None:
        return good("policy", "none set, the defaults hold")
    return _tried("policy", f"{path} is valid", lambda: load_policy(path))


def _tried(name: str, detail: str, step: Callable[[], object]) -> Check:
    try:
        step()
    except (UsageError, DependencyError) as error:
        return bad(name, str(error), "correct it")
    return good(name, detail)


def _of_redis(settings: Settings) -> Iterator[Check]:
    if not settings.redis_url:
        yield bad("redis", "no address", "set LINEAGE_REDIS_URL=redis://host:port/0")
        return
    patient = settings.changed(redis_timeout_s=min(settings.redis_timeout_s, _TIMEOUT_S))
    try:
        client = wiring.redis_client(patient)
        with contextlib.closing(client):
            yield from _of_server(client, settings)
    except (UsageError, DependencyError, RedisError, OSError) as error:
        where = masked_url(settings.redis_url)
        yield away(
            "redis", f"{where} does not answer: {masked_url(str(error))}", "is it running, and is the address right?"
        )


def _of_server(client: Any, settings: Settings) -> Iterator[Check]:  # noqa: ANN401  Redis or RedisCluster
    client.ping()
    yield good("redis", f"{masked_url(settings.redis_url or '')} answers")
    yield _writable(client, settings.redis_prefix)
    yield _version(_info(client, "server"))
    memories = _memories(client)
    yield _eviction(memories)
    yield _memory(memories)
    yield _index(client, settings)


def _writable(client: Any, prefix: str) -> Check:  # noqa: ANN401
    try:
        client.set(f"{prefix}:{{meta}}:probe", b"1", ex=60)
    except NoPermissionError as error:
        advice = "right for the api and those who only ask; look from an indexer's or alerter's place for those"
        return unknown("redis writable", str(error), advice)
    except RedisError as error:
        return bad(
            "redis writable", str(error), "point LINEAGE_REDIS_URL at the primary; look at its memory and its ACL"
        )
    return good("redis writable", "yes")


def _info(client: Any, section: str) -> dict[str, Any]:  # noqa: ANN401
    """Of a cluster, what any one of its servers says."""
    try:
        info = client.info(section)
    except RedisError:
        return {}
    first = next(iter(info.values()), None)
    return first if isinstance(first, dict) else info


def _version(info: dict[str, Any]) -> Check:
    version = str(info.get("redis_version", ""))
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {version}"
    if not parts:
        return unknown("redis version", "the server does not say")
    if parts < _OLDEST_REDIS:
        return bad("redis version", f"{name} is too old", "use Redis 6.2 or newer, or Valkey")
    return good("redis version", name)


def _memories(client: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    try:
        return memory_of_masters(client)
    except RedisError:
        return []


def _eviction(memories: list[dict[str, Any]]) -> Check:
    policies = {str(each["maxmemory_policy"]) for each in memories if "maxmemory_policy" in each}
    evicting = sorted(policies - {"noeviction"})
    if not policies:
        return unknown("redis eviction", "the server does not say", "make sure that maxmemory-policy is noeviction")
    if evicting:
        detail = f"maxmemory-policy is {', '.join(evicting)}: parts of the index may vanish"
        return bad("redis eviction", detail, "set it to noeviction")
    return good("redis eviction", "noeviction")


def _memory(memories: list[dict[str, Any]]) -> Check:
    ratio, limited = fullness(memories), [each for each in memories if each.get("maxmemory")]
    if not memories:
        return unknown("redis memory", "the server does not say")
    if not limited:
        return good("redis memory", "no limit")
    limits = " + ".join(f"{each['maxmemory'] / 2**20:.0f} MiB" for each in limited)
    if ratio >= NEARLY_FULL:
        advice = "raise maxmemory, or shorten LINEAGE_KEEP__RUNS_DAYS; a full Redis takes no more events"
        return bad("redis memory", f"{ratio:.0%} of {limits} is used", advice)
    return good("redis memory", f"{ratio:.0%} of {limits} is used")


def _index(client: Any, settings: Settings) -> Check:  # noqa: ANN401
    there = {
        name.decode(): int(value) for name, value in client.hgetall(f"{settings.redis_prefix}:{{meta}}:index").items()
    }
    if not there:
        return good("index", f"none yet under {settings.redis_prefix!r}, the first worker makes it")
    found = there.get("format", 0)
    if found != FORMAT_VERSION:
        newer = "upgrade the workers, or set another LINEAGE_REDIS_PREFIX"
        advice = newer if found > FORMAT_VERSION else "make it anew beside the old one: lineage rebuild"
        return bad("index", f"has format {found}, this version speaks {FORMAT_VERSION}", advice)
    return good("index", f"format {there['format']}, generation {there['generation']}, {there['buckets']} buckets")


def _of_registry(settings: Settings) -> Iterator[Check]:
    if settings.registry_url is None:
        yield good("registry", "none set; needed only for Avro with a schema id")
        return
    from processor.indexer.registry import ConfluentRegistry  # noqa: PLC0415  its HTTP client loads slowly

    where = masked_url(settings.registry_url)
    try:
        ConfluentRegistry(settings.registry_url, _TIMEOUT_S).by_id(_ANY_ID)
    except (DependencyError, ValueError) as error:
        yield away(
            "registry", f"{where} does not answer: {masked_url(str(error))}", "is it running, and is the address right?"
        )
    else:
        yield good("registry", f"{where} answers")
