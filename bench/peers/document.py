"""Writes the measured table into docs/benchmarks.md, between its markers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median

from measurement import Comparison, RowResult

BEGIN = "<!-- bench-peers:begin (written by make bench-peers; changes here are lost) -->"
END = "<!-- bench-peers:end -->"
EMPTY = f"# Benchmarks\n\n{BEGIN}\n{END}\n"
HEADER = (
    "| what | hone | peer | peer's figure | ratio (worst to best round) "
    "| required | aim | reached |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
)


def number(value: float) -> str:
    """Three digits that mean something, no exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def figure(values: list[float], unit: str) -> str:
    return f"{number(median(values))} {unit}" if values else "not measured"


def ratio(comparison: Comparison) -> str:
    whole, each = comparison.ratio(), comparison.ratios()
    if whole is None:
        return ""
    return f"**{number(whole)} x** ({number(min(each))} to {number(max(each))})"


def reached(comparison: Comparison) -> str:
    target = comparison.target
    if comparison.reaches(target.aim):
        return "aim"
    answer = comparison.reaches(target.required)
    if answer is None:
        return "below the aim" if comparison.reaches(target.aim) is False else ""
    return "yes" if answer else "**no**"


def table(results: Iterable[RowResult]) -> str:
    lines = [HEADER]
    for result in results:
        for c in result.comparisons:
            cells = (
                *(c.what, figure(c.hone_values, c.unit), c.peer, figure(c.peer_values, c.unit)),
                *(ratio(c), c.target.show(c.target.required), c.target.show(c.target.aim)),
                reached(c),
            )
            lines.append("| " + " | ".join(cells) + " |\n")
    return "".join(lines)


def machine_line(result: RowResult) -> str:
    m = result.machine
    return (
        f"{m['cpu']} ({', '.join(m['extensions'])}), {m['logical_cores']} logical cores, "
        f"{m['memory_gib']} GiB, {m['system']}; {m['threads']} threads"
    )


def versions_line(result: RowResult) -> str:
    return ", ".join(f"{name} {version}" for name, version in result.versions.items())


def details(result: RowResult) -> str:
    """Conditions of one row: when, how often, beside what, with which commands."""
    lines = [
        f"### {result.title}\n",
        f"{result.date}; {result.rounds} rounds, the programs in turn; other processes took "
        f"{100 * result.others_busy:.0f} % of the cores meanwhile.\n",
    ]
    notes = dict.fromkeys(note for c in result.comparisons for note in c.notes)
    lines += [f"- {note}\n" for note in notes]
    for c in result.comparisons:
        lines.append(f"- {c.peer}: {each(c.peer_values)}; hone: {each(c.hone_values)} {c.unit}\n")
    if result.commands:
        lines += ["\n```\n", *(f"{command}\n" for command in result.commands), "```\n"]
    return "".join([lines[0], "\n", *lines[1:2], "\n", *lines[2:]])


def each(values: list[float]) -> str:
    return ", ".join(map(number, values)) or "not measured"


def conditions(results: list[RowResult]) -> str:
    """Machine and versions, once for all rows that share them."""
    seen: dict[str, list[str]] = {}
    for result in results:
        described = f"- machine: {machine_line(result)}\n- versions: {versions_line(result)}\n"
        seen.setdefault(described, []).append(result.name)
    if len(seen) == 1:
        return next(iter(seen)) + "\n"
    return "".join(f"{', '.join(rows)}:\n\n{text}\n" for text, rows in seen.items())


def render(results: list[RowResult]) -> str:
    intro = (
        "Medians over the rounds; the ratio says how many times better hone is, of the medians "
        "and, in brackets, of single rounds. `bench/peers/README.md` says how to repeat it.\n\n"
    )
    results = [result for result in results if result.comparisons]
    parts = [intro, conditions(results), table(results), "\n"]
    return "".join(parts) + "\n".join(details(result) for result in results)


def write(document: Path, results: list[RowResult]) -> None:
    """Replaces what stands between the markers; a document without them is refused."""
    text = document.read_text(encoding="utf-8") if document.exists() else EMPTY
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"bench/peers: {document}: the lines\n{BEGIN}\n{END}\nare missing")
    document.parent.mkdir(parents=True, exist_ok=True)
    aside = document.with_suffix(".partial")
    aside.write_text(f"{before}{BEGIN}\n\n{render(results)}\n{END}{after}", encoding="utf-8")
    aside.replace(document)
