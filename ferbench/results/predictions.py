"""Predictions as a file: parquet, a row per sample, the same rows always the same bytes. No torch.

Columns: id (string, ascending, unique), label (int8), covered (bool), p0…p{K-1} (float32, null where not covered); where there is
affect, valence, arousal (null unknown), valence_predicted, arousal_predicted (null where not covered); of frames of videos, video and
frame (null for a still). Probabilities are those of each sample by itself, never smoothed. The names of the classes stand in the
file's metadata, in the order of the columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from ferbench.errors import VerificationFailed
from ferbench.evaluation.metrics import Predictions
from ferbench.evaluation.smoothing import as_scored
from ferbench.files import write_atomic
from ferbench.results.record import Result

pa: Any = pyarrow  # no type stubs
pq: Any = pyarrow.parquet

TOLERANCE = 1e-3
"""How far a sample's probabilities may be from summing to one."""

_AFFECT = ("valence", "arousal")
_MOVING = ["video", "frame"]


def write_predictions(path: Path, predictions: Predictions) -> str:
    """Writes the file atomically and returns its sha256. Rows are sorted by id. Raises VerificationFailed on rows that do not
    hold together (see :func:`faults`), TrainingStopped when the disk is full."""
    ordered = by_id(predictions)
    wrong = faults(ordered)
    if wrong:
        raise VerificationFailed(f"{wrong[0][0]}: {wrong[0][1]}", where=str(path))
    content = to_parquet(ordered)
    write_atomic(path, content)
    return sha256(content).hexdigest()


def read_predictions(path: Path) -> Predictions:
    """Reads the file as it is, in its own order. Raises VerificationFailed when it is not a predictions file."""
    try:
        return from_parquet(path.read_bytes())
    except FileNotFoundError:
        raise VerificationFailed("the predictions file is missing", where=str(path)) from None
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise VerificationFailed(f"not a readable predictions file ({reason})", where=str(path)) from error


def read_scored(folder: Path, result: Result) -> Predictions:
    """What a result's metrics are taken of: the predictions stored under the run's ``folder``, smoothed where the result is."""
    return as_scored(read_predictions(folder / result.predictions.file), result.window)


def faults(predictions: Predictions) -> list[tuple[str, str]]:
    """What does not hold together, as (column, what is wrong); empty when all is well."""
    return [*faults_of_ids(predictions.ids), *faults_of_answers(predictions)]


def faults_of_ids(ids: Sequence[str]) -> list[tuple[str, str]]:
    """:func:`faults` of the ids alone: they ascend, and none comes twice."""
    out_of_order = next((b for a, b in pairwise(ids) if a >= b), None)
    if out_of_order is None:
        return []
    more = len(ids) - len(set(ids))
    return [("id", f"{more} ids come more than once" if more else f"not in ascending order at {out_of_order!r}")]


def faults_of_answers(predictions: Predictions) -> list[tuple[str, str]]:
    """:func:`faults` of all but the ids."""
    k, covered, p = len(predictions.classes), predictions.covered, predictions.probabilities
    found: list[tuple[str, str]] = []
    outside = (predictions.labels < 0) | (predictions.labels >= k)
    if outside.any():
        found.append(("label", f"{int(outside.sum())} labels outside [0, {k})"))
    said = p[covered]
    if not np.isfinite(said).all():
        found.append(("probabilities", f"{int((~np.isfinite(said)).any(axis=1).sum())} covered samples without finite ones"))
    elif (said < 0).any() or (np.abs(said.sum(axis=1, dtype=np.float64) - 1) > TOLERANCE).any():
        found.append(("probabilities", "some are negative or do not sum to one"))
    if not np.isnan(p[~covered]).all():
        found.append(("covered", "samples that are not covered have probabilities"))
    if predictions.affect_predicted is not None and not np.isfinite(predictions.affect_predicted[covered]).all():
        found.append(("affect", "covered samples without a finite valence and arousal"))
    return found


def to_parquet(predictions: Predictions) -> bytes:
    """The file's bytes. Every choice that the writer would make for itself is fixed here."""
    columns: dict[str, Any] = {
        "id": pa.array(predictions.ids, pa.string()),
        "label": pa.array(predictions.labels.astype(np.int8), pa.int8()),
        "covered": pa.array(predictions.covered, pa.bool_()),
    }
    columns |= {f"p{i}": _nullable(column) for i, column in enumerate(predictions.probabilities.T)}
    if predictions.affect is not None and predictions.affect_predicted is not None:
        columns |= {name: _nullable(predictions.affect[:, i]) for i, name in enumerate(_AFFECT)}
        columns |= {f"{name}_predicted": _nullable(predictions.affect_predicted[:, i]) for i, name in enumerate(_AFFECT)}
    if predictions.video is not None and predictions.frame is not None:
        still = np.array([not name for name in predictions.video])
        columns["video"] = pa.array([name or None for name in predictions.video], pa.string())
        columns["frame"] = pa.array(predictions.frame, pa.int64(), mask=still)
    table = pa.table(columns).replace_schema_metadata({"ferbench.classes": json.dumps(predictions.classes)})
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=3,
        use_dictionary=False,
        write_statistics=False,
        row_group_size=1 << 20,
        store_schema=True,
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def from_parquet(
    content: bytes, ids_of: Callable[[Any], tuple[str, ...]] = lambda column: tuple(column.to_pylist())
) -> Predictions:
    """The rows, as they stand in the file. ids_of: the ids of Arrow's column, for who has read the same ones before. Raises ValueError,
    KeyError or an Arrow error on anything else."""
    table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)  # half the time of read_table
    classes = tuple(json.loads((table.schema.metadata or {})[b"ferbench.classes"]))
    wanted = ["id", "label", "covered", *(f"p{i}" for i in range(len(classes)))]
    felt = [*_AFFECT, *(f"{name}_predicted" for name in _AFFECT)]
    if table.column_names not in (wanted, wanted + felt, wanted + _MOVING, wanted + felt + _MOVING):
        raise ValueError(f"columns {', '.join(table.column_names)}; wanted {', '.join(wanted)}")
    affect = affect_predicted = video = frame = None
    if felt[0] in table.column_names:
        affect, affect_predicted = _matrix(table, felt[:2]), _matrix(table, felt[2:])
    if "video" in table.column_names:
        video = tuple(name or "" for name in table["video"].to_pylist())
        frame = table["frame"].fill_null(0).to_numpy().astype(np.int64)
    return Predictions(
        classes=classes,
        ids=ids_of(table["id"]),
        labels=table["label"].to_numpy().astype(np.int64),
        covered=table["covered"].to_numpy().astype(np.bool_),
        probabilities=_matrix(table, wanted[3:]),
        affect=affect,
        affect_predicted=affect_predicted,
        video=video,
        frame=frame,
    )


def by_id(predictions: Predictions) -> Predictions:
    """The same rows in ascending order of their ids: as they are stored, and as every interval is reckoned."""
    order = sorted(range(len(predictions)), key=predictions.ids.__getitem__)

    def turned(values: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        return None if values is None else values[order]

    return Predictions(
        classes=predictions.classes,
        ids=tuple(predictions.ids[i] for i in order),
        labels=predictions.labels[order],
        covered=predictions.covered[order],
        probabilities=predictions.probabilities[order],
        affect=turned(predictions.affect),
        affect_predicted=turned(predictions.affect_predicted),
        video=None if predictions.video is None else tuple(predictions.video[i] for i in order),
        frame=None if predictions.frame is None else predictions.frame[order],
    )


def _nullable(column: NDArray[np.float32]) -> Any:
    """NaN is null in the file."""
    return pa.array(column.astype(np.float32), pa.float32(), from_pandas=True)


def _matrix(table: Any, names: list[str]) -> NDArray[np.float32]:
    """Columns [N, len(names)], null as NaN."""
    return np.column_stack([table[name].to_numpy() for name in names]).astype(np.float32)
