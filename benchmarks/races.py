"""What several contestants do, and the report of how ours did it beside the others."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Race:
    """One URL that several contestants answer, and what the first is to be of the others."""

    url: str
    what: str
    count: int
    contestants: tuple
    targets: dict
    server: str = "uvicorn"


def report_race(race, rows, unit="k/s", divisor=1e3):
    """Prints the medians of rows of items per second; targets of who did not take part are left
    out.
    """
    print(f"\n{race.url}  {race.count} {race.what}, on {race.server}, median of {len(rows)} rounds")
    report_medians([{name: row[name] / divisor for name in row} for row in rows], unit)
    for other, target in race.targets.items():
        if other in rows[0]:
            report_ratio(rows, other, target, ours=race.contestants[0])


def report_medians(rows, unit, digits=0):
    for name in rows[0]:
        print(f"  {name:14} {statistics.median(row[name] for row in rows):8.{digits}f} {unit}")


def report_ratio(rows, other, target, ours="ours"):
    ratio = statistics.median(row[ours] / row[other] for row in rows)
    print(f"  {f'{ours} / {other}':24} {ratio:6.2f}   {met(ratio >= target)}: at least {target:g}")


def met(is_met):
    return "met" if is_met else "MISSED"
