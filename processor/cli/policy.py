"""`policy`: what alerts go by, looked at before the alerter does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from processor.cli.guard import NO
from processor.cli.options import Output, OutputOption, examples
from processor.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.detect.policy import Policy
    from processor.detect.policy_text import PolicyError

policies = typer.Typer(
    no_args_is_help=True,
    help="The policy of the alerts: check a file, print its JSON Schema.",
    epilog=examples("lineage policy check policy.yaml", "lineage policy schema > policy.schema.json"),
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(policies, name="policy")


@policies.command(
    epilog=examples("lineage policy check policy.yaml", "lineage policy check -o json   that of LINEAGE_POLICY")
)
def check(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="The policy file; without it that of LINEAGE_POLICY.", show_default=False),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say what a policy file sets, or everything that is wrong with it, as FILE:LINE: reason; then exit 1."""
    from processor.alerter.policy_file import load_policy, policy_text
    from processor.detect.policy_text import parse_policy, problems_in

    path = file or _of_settings()
    text = policy_text(path)
    problems = problems_in(text)
    if not problems:
        load_policy(path)  # what is wrong with a catalogue is told with the file and line of its own
    differing = {} if problems else dict(_differing(parse_policy(text)))
    _print(path, problems, differing, output)
    if problems:
        raise typer.Exit(NO)


@policies.command(epilog=examples("lineage policy schema > policy.schema.json"))
def schema() -> None:
    """Print the JSON Schema of the policy file, for editors."""
    from processor.detect.policy_schema import policy_schema
    from processor.render import console

    console.write_json(policy_schema())


def _of_settings() -> Path:
    from processor import settings

    path = settings.load().policy
    if path is None:
        raise UsageError("name the policy file, or set LINEAGE_POLICY")
    return path


def _differing(policy: Policy) -> Iterator[tuple[str, Any]]:
    """What is set otherwise than by default, by its dotted name."""
    import msgspec

    told, default = msgspec.to_builtins(policy), msgspec.to_builtins(type(policy)())
    for name, value in told.items():
        if not isinstance(value, dict):
            told_otherwise = {name: value} if value != default[name] else {}
        else:
            told_otherwise = {f"{name}.{knob}": v for knob, v in value.items() if v != default[name][knob]}
        yield from told_otherwise.items()


def _print(path: Path, problems: list[PolicyError], differing: dict[str, Any], output: Output) -> None:
    from processor.render import console

    if output is not Output.TABLE:
        found = [{"line": problem.line, "reason": problem.reason} for problem in problems]
        record = {"file": str(path), "ok": not problems, "problems": found, "differs": differing}
        console.write_json(record) if output is Output.JSON else console.write_ndjson([record])
    elif problems:
        console.write_text("".join(f"{path}:{problem.line}: {_plain(problem.reason)}\n" for problem in problems))
    else:
        console.write_text("".join([f"{path}: fine\n", *(f"  {n}: {_short(v)}\n" for n, v in differing.items())]))


def _short(value: Any) -> str:  # noqa: ANN401  any JSON value
    import msgspec

    return f"{len(value)} of them" if isinstance(value, (list, tuple)) else _plain(msgspec.json.encode(value).decode())


def _plain(text: str) -> str:
    from processor.model.text import visible

    return visible(text)
