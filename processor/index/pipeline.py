"""Many commands in one round trip, on one server or on a cluster.

Rules kept here, where redis-py's own pipeline on a cluster does otherwise:
- a node that is lost, or does not answer, fails the whole round at once: redis-py would send its commands again one by
  one, each for as long as a time-out, and would hide that the first try may have been applied;
- a command that the cluster sends elsewhere (MOVED, ASK, TRYAGAIN) was not applied: it alone is sent again, to there;
- after a lost node the map of the cluster is read anew, so that the next round finds the promoted replica;
- the node of a command follows from its first key: redis-py would ask a server for the keys of each script, sending all
  its arguments for that, and fail for good once that server is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
from redis import RedisCluster, exceptions

from processor.index.connect import Client

__all__ = ["run", "run_all"]

Command = Sequence[Any]
"""A command and its arguments."""

_LOST = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ClusterDownError)
_SENT_ELSEWHERE = (exceptions.AskError, exceptions.TryAgainError)  # MovedError is an AskError
_FIRST_KEY = {"EVALSHA": 3, "EVALSHA_RO": 3}
_untyped: Any = redis


def run(client: Client, commands: Sequence[Command]) -> list[object]:
    """The replies in order; what a command did wrong stands in its place. Raises what redis-py does for a lost node."""
    if isinstance(client, RedisCluster):
        return _run_on_cluster(client, commands)
    with client.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        return list(pipe.execute(raise_on_error=False))


def run_all(client: Client, commands: Sequence[Command]) -> list[Any]:
    """The replies in order; raises the first thing that went wrong."""
    replies = run(client, commands)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def _run_on_cluster(client: Client, commands: Sequence[Command]) -> list[object]:
    if not commands:
        return []
    replies = _send(client, commands)
    lost = [reply for reply in replies if isinstance(reply, _LOST)]
    if lost:
        client.nodes_manager.initialize()
        raise lost[0]
    return [
        _follow(client, command) if isinstance(reply, _SENT_ELSEWHERE) else reply
        for command, reply in zip(commands, replies, strict=True)
    ]


def _send(client: Client, commands: Sequence[Command]) -> list[object]:
    stack = [
        _untyped.cluster.PipelineCommand(command, {"target_nodes": _node(client, command)}, at)
        for at, command in enumerate(commands)
    ]
    with client.pipeline(transaction=False) as pipe:
        return list(pipe.send_cluster_commands(stack, raise_on_error=False, allow_redirections=False))


def _node(client: Client, command: Command) -> object:
    key = command[_FIRST_KEY.get(command[0], 1)]
    node: object = client.get_node_from_key(key)
    return node


def _follow(client: Client, command: Command) -> object:
    try:
        return client.execute_command(*command)
    except _LOST:
        raise
    except exceptions.RedisError as error:
        return error
