"""`make bench`: what an event costs, on real Kafka and Valkey, with the full commit protocol.

Each case is held against yardsticks of the same run on the same records: Y1 consumes in batches and drops, Y2 also
parses each value with `orjson.loads`. CPU counts more than wall time, because machines are noisy.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence

from rich.console import Console

from processor.local import KafkaCluster
from processor.telemetry.logs import configure
from tests.bench import page, plots, report
from tests.bench.cases import CASES
from tests.bench.figures import Findings
from tests.bench.site import Site

FINE, NO, INTERRUPTED = 0, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show, write. Returns 1 when a mark that must be reached is not."""
    options = _parser().parse_args(arguments)
    if options.list:
        for name, case in CASES.items():
            sys.stdout.write(f"{name:12} {case.__doc__}\n")
        return FINE
    configure("warning", "json")
    found, whole = _measure(options)
    report.show(Console(width=None if sys.stdout.isatty() else 150), found)
    report.write(found)
    sys.stderr.write(f"written to {report.RESULTS}; plots in {report.FOLDER}\n")
    plots.draw(found, report.FOLDER)
    if options.docs:
        page.rewrite(found, plots.draw(found))
    if not whole:
        return INTERRUPTED
    return NO if any(figure.met is False for figure in found.figures) and not options.quick else FINE


def _parser() -> argparse.ArgumentParser:
    examples = """examples:
  make bench
  make bench ARGS='--case steady --case cold --repeat 5'
  make bench ARGS='--list'"""
    parser = argparse.ArgumentParser(
        "make bench", description=__doc__, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", choices=list(CASES), help="only this one; may be given again")
    parser.add_argument("--list", action="store_true", help="say what there is to measure, and end")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds of each case (3)")
    parser.add_argument(
        "--quick", action="store_true", help="tiny cases, once: to see that all works; figures mean little"
    )
    parser.add_argument("--large", action="store_true", help="let the index grow to 10 million edges: takes long")
    parser.add_argument("--docs", action="store_true", help="write what was found into docs/performance.md, with plots")
    parser.add_argument(
        "--keep", action="store_true", help="keep what earlier runs found of cases that are not measured"
    )
    return parser


def _measure(options: argparse.Namespace) -> tuple[Findings, bool]:
    """Every case that was asked for; what was found until Ctrl-C, and whether it is all."""
    names = options.case or list(CASES)
    found = _begin(names, keep=options.keep)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with KafkaCluster() as kafka:
            site = Site(kafka, options.repeat, quick=options.quick, large=options.large)
            for at, name in enumerate(names, 1):
                _one(site, found, name, f"{at} of {len(names)}")
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; what was measured until now is kept\n")
        return found, False
    return found, True


def _begin(names: Sequence[str], *, keep: bool) -> Findings:
    found = report.earlier() if keep else Findings()
    found.forget(names)
    report.date(found)
    return found


def _one(site: Site, found: Findings, name: str, place: str) -> None:
    """Measure a case; a case that is interrupted leaves nothing behind."""
    begun_s = time.monotonic()
    report.date(found, name)
    sys.stderr.write(f"{place}: {name}: {CASES[name].__doc__} …\n")
    CASES[name](site, found)
    for figure in found.figures:
        if figure.case == name:
            sys.stderr.write(f"    {figure.mark.name}: {report.number(figure.value)} {figure.mark.unit}\n")
    sys.stderr.write(f"    in {time.monotonic() - begun_s:.0f} s; load before {found.loads[name]:.1f}\n")


if __name__ == "__main__":
    sys.exit(main())
