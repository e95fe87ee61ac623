"""The card of a published method: what it is for, what it has seen, where it stops; its results as the Hub reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ferbench.results.record import Record, Result
from ferbench.results.table import results_markdown

TEMPLATE = Path(__file__).with_name("card.md.jinja")
_METRICS = {"uar": ("recall", "UAR (macro recall)"), "accuracy": ("accuracy", "accuracy"), "macro_f1": ("f1", "macro F1")}


def card(record: Record, repo: str, licence: str = "") -> str:
    """README.md, with ``model-index`` in its head. licence: as the Hub names it; "" grants nobody anything. Oracle results stay out
    of the head: they are no result of this method."""
    from huggingface_hub import EvalResult, ModelCardData
    from jinja2 import Environment, FileSystemLoader

    results = [
        EvalResult(
            task_type="image-classification", task_name=f"{_task(record, one)}", dataset_type=_dataset_id(one.target, ""),
            dataset_name=one.target, dataset_split=one.split, metric_type=_METRICS[name][0], metric_name=_METRICS[name][1],
            metric_value=one.metrics[name].value,
        )
        for one in _told(record)
        for name in _METRICS
        if name in one.metrics
    ]  # fmt: skip
    head = ModelCardData(
        license=licence or None, library_name="ferbench", pipeline_tag="image-classification",
        model_name=f"{record.method} ({record.run_id})",
        eval_results=results, tags=["facial-expression-recognition", "ferbench", *(["synthetic-data"] if record.synthetic else [])],
        datasets=[use.name.removeprefix("hf:") for use in record.data if use.name.startswith("hf:")] or None,
    )  # fmt: skip
    environment = Environment(  # noqa: S701, Markdown is no HTML
        loader=FileSystemLoader(TEMPLATE.parent), trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    made = environment.get_template(TEMPLATE.name)
    return made.render(
        head=head.to_yaml(), record=record, repo=repo, licence=licence, table=results_markdown(record), limits=list(_limits(record)),
        learnt=[use for use in record.data if use.role not in ("source-test", "target")],
    )  # fmt: skip


def eval_results(record: Record, benchmark: str) -> str:
    """``.eval_results/ferbench.yaml``: a result per target and metric, under the Hub's dataset where the target is one, else under
    ``benchmark`` (owner/name)."""
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    from huggingface_hub.utils import yaml_dump  # type: ignore[attr-defined]

    entries = [
        EvalResultEntry(
            dataset_id=_dataset_id(one.target, benchmark), task_id=re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{one.target}.{one.split}.{name}"),
            value=one.metrics[name].value, date=str(record.times["finished"]) if "finished" in record.times else None,
            notes=f"ferbench run {record.run_id}, {_task(record, one)}, selection {one.selection}",
        )
        for one in _told(record)
        for name in _METRICS
        if name in one.metrics
    ]  # fmt: skip
    text: str = yaml_dump(eval_result_entries_to_yaml(entries))
    return text


def _told(record: Record) -> list[Result]:
    return [result for result in record.results if result.selection != "oracle"]


def _task(record: Record, result: Result) -> str:
    seen = any(one.target == result.target for one in record.contamination)
    kind = "the source's own test split" if result.role == "source-test" else "cross-domain"
    return f"expression recognition, {kind}{', shares images with training' if seen else ''}"


def _dataset_id(target: str, benchmark: str) -> str:
    name = re.split(r"[?@]", target)[0]
    return name.removeprefix("hf:") if name.startswith("hf:") or not benchmark else benchmark


def _limits(record: Record) -> Iterator[str]:
    """Where it stops, from its own numbers."""
    if record.synthetic:
        yield "It has learnt from synthetic faces alone: a diagnostic, not a recogniser of real ones."
    if record.recipe.get("approximate"):
        yield f"{record.method} is approximate: its paper leaves open what its plugin's README fills in."
    if record.preset == "quick":
        yield f"Preset `{record.preset}`: these are not the paper's settings."
    scored = [one for one in _told(record) if "uar" in one.metrics]
    for one in sorted(scored, key=lambda one: one.metrics["uar"].value)[:1]:
        known = {name: part.recall for name, part in one.per_class.items() if part.recall is not None}
        worst = min(known, key=lambda name: known[name]) if known else ""
        yield f"Worst target: {one.target}, UAR {100 * one.metrics['uar'].value:.1f} %" + (
            f"; there it finds {100 * known[worst]:.1f} % of {worst}, its worst class." if worst else "."
        )
    for seen in record.contamination:
        yield f"† {seen.target}: {seen.note} ({seen.by}); its result says less of unseen faces."
    if any(one.selection == "oracle" for one in record.results):
        yield "Rows called oracle chose their epoch on the target itself and are never ranked."
