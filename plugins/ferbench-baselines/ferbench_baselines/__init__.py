"""The baselines that papers on cross-domain facial expression recognition compare with, as a ferbench plugin. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from ferbench import Spec, hookimpl
from ferbench_baselines import config

PAPERS = {
    "scn": "SCN: suppressing uncertainties for large-scale facial expression recognition (arXiv:2002.10392)",
    "rul": "RUL: relative uncertainty learning for facial expression recognition (NeurIPS 2021)",
    "eac": "EAC: learn from all, erasing attention consistency for noisy label facial expression recognition (arXiv:2207.10299)",
    "lpl": "DLP-CNN: reliable crowdsourcing and deep locality-preserving learning for expression recognition in the wild (CVPR 2017)",
    "dacl": "DACL: facial expression recognition in the wild via deep attentive center loss (WACV 2021)",
    "mixstyle": "MixStyle: domain generalization with MixStyle (arXiv:2104.02008)",
    "snr": "SNR: style normalization and restitution for generalizable person re-identification (arXiv:2005.11037)",
    "icid": "ICID: intra-category common and inter-category distinction features, in the form of the CD-FER benchmark (arXiv:2008.00923)",
    "mla": "MLA: multi-level attention for facial expression recognition, as ESGM + PDED compares with it",
    "activefer": "ActiveFER: active learning with contrastive pre-training for facial expression recognition (arXiv:2307.02744)",
    "sada": "SADA: when neural networks fail to generalize? A model sensitivity perspective (arXiv:2212.00850)",
    "pden": "PDEN: progressive domain expansion network for single domain generalization (arXiv:2103.16050)",
    "apvit": "APViT: vision transformer with attentive pooling for robust facial expression recognition (arXiv:2212.05463)",
}


def _build(module: str, part: str) -> Callable[..., Any]:
    """Builds ``part`` of a module, which is imported then; a part without options is given its site alone."""

    def build(options: Any, site: Any) -> Any:
        kind = getattr(import_module(f"ferbench_baselines.{module}"), part)
        return kind(site) if options is None else kind(options, site)

    return build


def _spec(name: str, module: str, part: str, options: type[Any] | None, summary: str, *losses: str) -> Spec:
    return Spec(f"baselines.{name}", _build(module, part), options, summary, PAPERS[module], losses=losses)


@hookimpl
def ferbench_backbones() -> Iterable[Spec]:
    return [
        _spec(
            "apvit",
            "apvit",
            "Apvit",
            config.ApvitConfig,
            "three stages of a ResNet, then a transformer that keeps the strongest patches",
        )
    ]


@hookimpl
def ferbench_disentanglers() -> Iterable[Spec]:
    return [
        _spec("uncertainty", "rul", "Uncertainty", config.UncertaintyConfig, "faces mixed by how uncertain each is, in training", "mixed"),
        _spec(
            "attentive_centre", "dacl", "AttentiveCentre", config.AttentiveCentreConfig, "an attention weighs a centre loss", "centre"
        ),
        _spec("mixstyle", "mixstyle", "MixStyle", config.MixStyleConfig, "styles of pictures mixed between the blocks, in training"),
        _spec(
            "restitution", "snr", "Restitution", config.RestitutionConfig,
            "style taken away between the blocks, and what tells classes apart given back", "restitution", "auxiliary",
        ),
        _spec("mla", "mla", "MultiLevelAttention", config.MlaConfig, "an embedding of each level, and attention over them"),
    ]  # fmt: skip


@hookimpl
def ferbench_heads() -> Iterable[Spec]:
    return [
        _spec(
            "scn", "scn", "SelfCure", config.ScnConfig, "faces weighed and ranked, labels that look wrong changed", "ce", "rank"
        ),
        _spec(
            "consistent", "eac", "Consistent", None, "maps of a face and its mirror image mirror each other", "ce", "consistency"
        ),
        _spec("locality", "lpl", "Locality", config.LocalityConfig, "near to the nearest of the same class", "ce", "locality"),
        _spec(
            "icid",
            "icid",
            "Icid",
            config.IcidConfig,
            "which expression, whether the same one, and both fused",
            "ce",
            "own",
            "pair",
        ),
        _spec(
            "contrast",
            "activefer",
            "Contrast",
            config.ContrastConfig,
            "a face and its copies are one, without labels",
            "contrast",
        ),
        Spec(
            "baselines.sada",
            _build("sada", "AmplitudeAttack"),
            config.SadaConfig,
            "answers hold when amplitudes are attacked",
            PAPERS["sada"],
            losses=("ce", "js", "js_attacked"),
            teachers=("erm",),
        ),
        Spec(
            "baselines.pden",
            _build("pden", "Progressive"),
            config.PdenConfig,
            "generators, one after another, paint faces of new domains",
            PAPERS["pden"],
            losses=("ce", "old", "interpolated", "new", "contrast"),
            critics=("class", "diversity", "cycle", "apart"),
        ),
    ]


@hookimpl
def ferbench_recipes() -> Iterable[Path]:
    return sorted(file for file in (Path(__file__).parent / "recipes").glob("*.toml") if file.name != "aliases.toml")
