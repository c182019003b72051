"""Writes the measured table into docs/benchmarks.md, between its markers.

Rows that stand there and were not measured now are kept as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from measurement import Comparison, RowResult
from rows import ROWS

BEGIN = "<!-- bench-peers:begin (written by make bench-peers; changes here are lost) -->"
END = "<!-- bench-peers:end -->"
EMPTY = f"# Benchmarks\n\n{BEGIN}\n{END}\n"
HEADER = (
    "| what | hone | peer | peer's figure | ratio (worst to best round) "
    "| required | aim | reached |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
)
# The values of one comparison in the details of its row, and what stands over a group of rows.
VALUES = re.compile(
    r"^- .+: (?:[\d., -]+|not measured); hone: (?:[\d., -]+|not measured) ?\S*$", re.MULTILINE
)
CONDITIONS = re.compile(r"(?:^([\w, -]+):\n\n)?^(- machine: .+\n- versions: .+\n)", re.MULTILINE)


@dataclass
class Section:
    """One row as it is written: its lines of the table, its details, machine and versions."""

    name: str
    table: str
    details: str
    conditions: str


def number(value: float) -> str:
    """Three digits that mean something, no exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def figure(values: list[float], unit: str) -> str:
    return f"{number(median(values))} {unit}" if values else "not measured"


def ratio(comparison: Comparison) -> str:
    whole, each = comparison.ratio(), comparison.ratios()
    if whole is None:
        return ""
    if comparison.target.of == "time":
        whole, each = 1 / whole, [1 / one for one in each]
        return f"**{number(whole)} x the time** ({number(max(each))} to {number(min(each))})"
    return f"**{number(whole)} x** ({number(min(each))} to {number(max(each))})"


def reached(comparison: Comparison) -> str:
    target = comparison.target
    if comparison.reaches(target.aim):
        return "aim"
    answer = comparison.reaches(target.required)
    if answer is None:
        return "below the aim" if comparison.reaches(target.aim) is False else ""
    return "yes" if answer else "**no**"


def table_lines(result: RowResult) -> str:
    lines = []
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
    peers = [c.peer for c in result.comparisons]
    for c in result.comparisons:
        who = c.peer if peers.count(c.peer) == 1 else f"{c.what}, beside {c.peer}"
        lines.append(f"- {who}: {each(c.peer_values)}; hone: {each(c.hone_values)} {c.unit}\n")
    if result.commands:
        lines += ["\n```\n", *(f"{command}\n" for command in result.commands), "```\n"]
    return "".join([lines[0], "\n", *lines[1:2], "\n", *lines[2:]])


def each(values: list[float]) -> str:
    return ", ".join(map(number, values)) or "not measured"


def section(result: RowResult) -> Section:
    described = f"- machine: {machine_line(result)}\n- versions: {versions_line(result)}\n"
    return Section(result.name, table_lines(result), details(result), described)


def conditions(sections: Iterable[Section]) -> str:
    """Machine and versions, once for all rows that share them."""
    seen: dict[str, list[str]] = {}
    for part in sections:
        seen.setdefault(part.conditions, []).append(part.name)
    if len(seen) == 1:
        return next(iter(seen)) + "\n"
    return "".join(f"{', '.join(rows)}:\n\n{text}\n" for text, rows in seen.items())


def sections_in(written: str) -> dict[str, Section]:
    """The rows of a table written earlier; titles that no row has any more are dropped."""
    head, *parts = re.split(r"^(?=### )", written, flags=re.MULTILINE)
    lines = [line for line in head.splitlines(keepends=True) if line.startswith("| ")][2:]
    described = CONDITIONS.findall(head)
    shared = {name: text for names, text in described for name in names.split(", ")}
    titles = {row.title: row.name for row in ROWS.values()}
    found: dict[str, Section] = {}
    for part in parts:
        title = part.partition("\n")[0].removeprefix("### ")
        count = len(VALUES.findall(part))
        mine, lines = "".join(lines[:count]), lines[count:]
        if title in titles:
            name = titles[title]
            about = shared.get(name) or shared.get("", "")
            found[name] = Section(name, mine, part.strip("\n") + "\n", about)
    if lines:
        raise SystemExit("bench/peers: the document's table and its details have other rows")
    return found


def render(sections: Iterable[Section]) -> str:
    intro = (
        "Medians over the rounds; the ratio says how many times better hone is, of the medians "
        "and, in brackets, of single rounds. `bench/peers/README.md` says how to repeat it.\n\n"
    )
    sections = [part for part in sections if part.table]
    parts = [intro, conditions(sections), HEADER, *(part.table for part in sections), "\n"]
    return "".join(parts) + "\n".join(part.details for part in sections)


def write(document: Path, measured: list[RowResult], stored: list[RowResult]) -> None:
    """Replaces what stands between the markers; a document without them is refused.

    A row is taken from what was measured now, else as it is written, else from what is stored.
    """
    text = document.read_text(encoding="utf-8") if document.exists() else EMPTY
    before, begin, rest = text.partition(BEGIN)
    written, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"bench/peers: {document}: the lines\n{BEGIN}\n{END}\nare missing")
    rows = {result.name: section(result) for result in stored} | sections_in(written)
    rows |= {result.name: section(result) for result in measured}
    ordered = [rows[name] for name in ROWS if name in rows]
    document.parent.mkdir(parents=True, exist_ok=True)
    aside = document.with_suffix(".partial")
    aside.write_text(f"{before}{BEGIN}\n\n{render(ordered)}\n{END}{after}", encoding="utf-8")
    aside.replace(document)
