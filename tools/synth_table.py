"""Home and away: ERM trained on each synthetic profile, scored on all of them. Trains what is missing, prints Markdown.

    python tools/synth_table.py [--seeds 0,1,2] [--out runs/synth] [--jobs 1] [--only-print]

Every run is ``ferbench run --method erm --source PROFILE --preset quick --seed S``: some minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ferbench.results.record import read_record

PROFILES = ("synth-lab", "synth-wild", "synth-film", "synth-web", "synth-grey48", "synth-mono")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seeds", default="0,1,2")
    asked.add_argument("--out", type=Path, default=Path("runs/synth"))
    asked.add_argument("--jobs", type=int, default=1, help="runs at a time; each gets its share of the cores")
    asked.add_argument("--only-print", action="store_true", help="train nothing")
    given = asked.parse_args()
    if not given.only_print:
        threads = max(1, (os.cpu_count() or 1) // given.jobs)
        with ThreadPoolExecutor(given.jobs) as pool:
            runs = [(profile, seed, given.out, threads) for seed in given.seeds.split(",") for profile in PROFILES]
            list(pool.map(train, *zip(*runs, strict=True)))
    print(table(uars(given.out, {int(seed) for seed in given.seeds.split(",")})))


def train(profile: str, seed: str, out: Path, threads: int) -> None:
    words = ["run", "--method", "erm", "--source", profile, "--preset", "quick", "--seed", seed, "--out", str(out)]
    print("ferbench", *words, file=sys.stderr, flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run([sys.executable, "-m", "ferbench", *words], check=True, stdout=subprocess.DEVNULL, env=environment)


def uars(out: Path, seeds: set[int]) -> dict[tuple[str, str], list[float]]:
    """(source, target) → UAR in per cent, one per seed."""
    found: dict[tuple[str, str], list[float]] = {}
    for path in sorted(out.glob("erm-*/record.json")):
        record = read_record(path)
        (source,) = (use.name for use in record.data if use.role == "source.train")
        if record.method != "erm" or record.preset != "quick" or record.seed not in seeds or source not in PROFILES:
            continue
        for result in record.results:
            found.setdefault((source, result.target), []).append(100 * result.metrics["uar"].value)
    return found


def table(found: dict[tuple[str, str], list[float]]) -> str:
    """Rows are sources; the diagonal is home; away is the mean over the other five, by seed."""
    lines = [
        "| trained on | seeds | home | away | lost | " + " | ".join(PROFILES) + " |",
        "|---|" + "---:|" * (4 + len(PROFILES)),
    ]
    for source in PROFILES:
        rows = [found.get((source, target), []) for target in PROFILES]
        if not all(rows):
            lines.append(f"| {source} | *not yet run* |" + " |" * (3 + len(PROFILES)))
            continue
        values = np.array(rows)  # [targets, seeds]
        home = values[PROFILES.index(source)]
        away = (values.sum(0) - home) / (len(PROFILES) - 1)
        cells = [f"**{told(row)}**" if target == source else told(row) for target, row in zip(PROFILES, values, strict=True)]
        lines.append(f"| {source} | {len(home)} | {told(home)} | {told(away)} | {told(home - away)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def told(values: np.ndarray) -> str:
    """Mean ± standard deviation over seeds (ddof = 1)."""
    return f"{values.mean():.1f}" + (f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
