"""The board on the Hub: its page as a static Space, its records as a dataset. No torch."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ferbench.errors import DataError, VerificationFailed
from ferbench.hub.commit import Place
from ferbench.results.bundle import is_verified, verify
from ferbench.results.record import Record, read_record
from ferbench.results.store import RECORD

_METRICS = ("accuracy", "uar", "macro_f1", "nll", "ece", "ccc_valence", "ccc_arousal")
_RESULTS, _RECORDS = "data/results.parquet", "records/records.parquet"
SPACE_CARD = """---
title: ferbench leaderboard
sdk: static
app_file: index.html
pinned: false
---

Cross-domain facial expression recognition, measured by ferbench. The page is one file without outside requests.
"""
DATASET_CARD = f"""---
pretty_name: ferbench results
tags:
- facial-expression-recognition
configs:
- config_name: results
  default: true
  data_files: {_RESULTS}
- config_name: records
  data_files: {_RECORDS}
---

# Results of ferbench

`results`: a row per run and target, each metric with the ends of its interval. `records`: the whole record of each run, as JSON.

```python
from datasets import load_dataset

results = load_dataset("REPO", "results", split="train")
```

`verified` says that every number was recomputed from the predictions. `synthetic` rows are diagnostics, not to be
compared with real faces.
"""


def space_of(page: Path, repo: str) -> tuple[Place, dict[str, bytes]]:
    """A static Space of the page: a file, or a folder with index.html. Raises DataError where there is none."""
    file = page / "index.html" if page.is_dir() else page
    if not file.is_file() or file.suffix not in (".html", ".htm"):
        raise DataError("no HTML page", where=str(page), next="Name the page, or the folder with index.html")
    return Place(repo, "space", "index.html", sdk="static"), {"README.md": SPACE_CARD.encode(), "index.html": file.read_bytes()}


def dataset_of(runs: Path, repo: str) -> tuple[Place, dict[str, bytes]]:
    """A dataset of every run or bundle below ``runs``, in the order of their ids. Raises DataError where there is none,
    VerificationFailed where one cannot be read, does not hold, or is there twice."""
    found: dict[str, tuple[Path, Record]] = {}
    for path in sorted(runs.rglob(RECORD)):
        record = read_record(path)
        if record.run_id in found:
            raise VerificationFailed(
                f"the same run as {found[record.run_id][0]}", where=str(path.parent), next="Leave one of them"
            )
        if problems := [] if is_verified(path.parent) else verify(path.parent):
            raise VerificationFailed(problems[0].line(), where=str(path.parent), next=f"See: ferbench verify {path.parent}")
        found[record.run_id] = (path.parent, record)
    if not found:
        raise DataError(f"no {RECORD} in it or below", where=str(runs), next="Give the folder that ferbench run --out wrote to")
    ordered = [found[key] for key in sorted(found)]
    results = [row for _, record in ordered for row in _rows(record)]
    records = [{"run_id": record.run_id, "method": record.method, "record": record.text()} for _, record in ordered]
    parts = {"README.md": DATASET_CARD.replace("REPO", repo).encode(), _RESULTS: _parquet(results), _RECORDS: _parquet(records)}
    return Place(repo, "dataset", _RESULTS, ("data", "records")), parts


def _rows(record: Record) -> list[dict[str, Any]]:
    """A row per result; a metric that is not there is null. Everything here was recomputed, or it would not have come so far."""
    sources = "+".join(sorted({use.name for use in record.data if use.role == "source.train"}))
    return [
        {
            "run_id": record.run_id, "method": record.method, "variant": record.variant, "preset": record.preset, "seed": record.seed,
            "source": sources, "target": one.target, "split": one.split, "role": one.role, "selection": one.selection,
            "ranked": one.ranked, "n": one.n, "covered": one.covered, "labels": record.labels.name, "synthetic": record.synthetic,
            "approximate": record.approximate, "evaluates": record.evaluates, "verified": True,
            "contaminated": any(seen.target == one.target for seen in record.contamination),
        } | {
            f"{name}{end}": getattr(one.metrics[name], value) if name in one.metrics else None
            for name in _METRICS for end, value in (("", "value"), ("_low", "low"), ("_high", "high"))
        }
        for one in record.results
    ]  # fmt: skip


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    """The rows as Parquet: the same rows, the same bytes. Numbers of a column that is null throughout are doubles."""
    import pyarrow
    import pyarrow.parquet

    pa: Any = pyarrow
    kinds = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    columns = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        columns[name] = pa.array(values, kinds[next((type(value) for value in values if value is not None), float)])
    sink = io.BytesIO()
    pa.parquet.write_table(pa.table(columns), sink, compression="zstd", write_statistics=False)
    return sink.getvalue()
