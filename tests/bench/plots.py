"""The bench's plots: PNG files for the docs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.bench.figures import Findings, Point

FOLDER: Final = Path("docs/images")
_SIZE, _DPI = (7.2, 3.6), 110

Series = dict[str, list[Point]]


def draw(found: Findings, folder: Path = FOLDER) -> list[Path]:
    """Draw what there are points for; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, plot in _PLOTS.items():
        points = found.points.get(name)
        if points:
            path = folder / f"bench-{name}.png"
            _save(path, plot, points)
            drawn.append(path)
    return drawn


def _save(path: Path, plot: Callable[[Any, Series], None], points: Sequence[Point]) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415  it loads for a second

    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    series: Series = defaultdict(list)
    for point in points:
        series[point.series].append(point)
    plot(axes, series)
    figure.savefig(path, metadata={"Software": None})


def _cpu(axes: Any, series: Series) -> None:  # noqa: ANN401  matplotlib's own types say little
    cases = list(dict.fromkeys(str(point.x) for points in series.values() for point in points))
    width = 0.8 / len(series)
    for at, (name, points) in enumerate(series.items()):
        heights = [median([point.y for point in points if point.x == case] or [0]) for case in cases]
        bars = axes.bar([place + at * width for place in range(len(cases))], heights, width, label=name)
        axes.bar_label(bars, fmt="%.0f", fontsize=8)
    axes.set_xticks([place + width * (len(series) - 1) / 2 for place in range(len(cases))], cases)
    axes.set(title="CPU of an event, the medians", ylabel="µs", yscale="log")
    axes.legend(frameon=False)


def _stages(axes: Any, series: Series) -> None:  # noqa: ANN401  as above
    names = list(series)[::-1]
    bars = axes.barh(names, [series[name][-1].y for name in names])
    axes.bar_label(bars, fmt="%.2f", fontsize=8)
    axes.set(title="Where the time of a known event goes", xlabel="µs of wall time an event")


def _growth(axes: Any, series: Series) -> None:  # noqa: ANN401  as above
    for name, points in series.items():
        sizes = sorted({float(point.x) for point in points})
        axes.plot(sizes, [median(point.y for point in points if point.x == size) for size in sizes], "o-", label=name)
        axes.plot([point.x for point in points], [point.y for point in points], ".", color="gray", markersize=4)
    axes.set(title="What a known event costs as the index grows", xlabel="edges in the index", ylabel="µs of CPU")
    axes.set(xscale="log")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def _shares(title: str) -> Callable[[Any, Series], None]:
    def plot(axes: Any, series: Series) -> None:  # noqa: ANN401  as above
        for name, points in series.items():
            axes.plot([point.y for point in points], [point.x for point in points], label=name)
        axes.set(title=title, xlabel="ms", ylabel="% of them at most")
        axes.set_xlim(left=0)
        axes.set_ylim(0, 100)
        axes.legend(frameon=False)

    return plot


def _shown(axes: Any, series: Series) -> None:  # noqa: ANN401  as above
    names = list(series)[::-1]
    bars = axes.barh(names, [median(point.y for point in series[name]) for name in names])
    axes.bar_label(bars, fmt="%.0f", fontsize=8)
    axes.set(title="What makes an event dearer or cheaper", xlabel="µs of CPU an event", xscale="log")


_PLOTS: Final[dict[str, Callable[[Any, Series], None]]] = {
    "cpu": _cpu,
    "stages": _stages,
    "growth": _growth,
    "latency": _shares("From the record to what it brings about, at half of maximum load"),
    "reading": _shares("Downstream of a node in a graph of 10⁶ edges"),
    "shown": _shown,
}
