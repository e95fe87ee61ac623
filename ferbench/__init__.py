"""ferbench: a benchmark suite for cross-domain facial expression recognition.

This module is the public surface: a plugin imports from here and from nowhere else inside ferbench. Names are loaded on first use,
so importing ferbench costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferbench.data.reader import Reader
    from ferbench.errors import AssemblyRefused, DataError, FerbenchError, RecipeError, WeightsError
    from ferbench.flow import Batch, Features, Inputs, Output, Parts, Progress, Shown, TokenMask
    from ferbench.hookspecs import hookimpl
    from ferbench.method.backbone import Backbone
    from ferbench.method.component import Component, Site
    from ferbench.method.critics import discriminator_loss, grad_reverse, mine_bound
    from ferbench.method.disentangler import Disentangler
    from ferbench.method.head import Head
    from ferbench.method.labels import LabelTable
    from ferbench.method.masking import Masking
    from ferbench.method.teachers import ask_teacher, grey_face
    from ferbench.method.tokens import mask_highest, masked_count, see_all
    from ferbench.schema import FACTORS, LABEL_SPACES, PARSING_CLASSES, DatasetSpec, Expression, Finding, LabelSpace, Sample, Spec

_LAZY = {
    **{name: "ferbench.errors" for name in ("AssemblyRefused", "DataError", "FerbenchError", "RecipeError", "WeightsError")},
    **{
        name: "ferbench.schema"
        for name in (
            "FACTORS",
            "LABEL_SPACES",
            "PARSING_CLASSES",
            "DatasetSpec",
            "Expression",
            "Finding",
            "LabelSpace",
            "Sample",
            "Spec",
        )
    },
    "hookimpl": "ferbench.hookspecs",
    "Reader": "ferbench.data.reader",
    **{name: "ferbench.flow" for name in ("Batch", "Features", "Inputs", "Output", "Parts", "Progress", "Shown", "TokenMask")},
    **{name: "ferbench.method.component" for name in ("Component", "Site")},
    **{name: "ferbench.method.critics" for name in ("discriminator_loss", "grad_reverse", "mine_bound")},
    **{name: "ferbench.method.teachers" for name in ("ask_teacher", "grey_face")},
    **{name: "ferbench.method.tokens" for name in ("mask_highest", "masked_count", "see_all")},
    "Backbone": "ferbench.method.backbone",
    "Disentangler": "ferbench.method.disentangler",
    "Head": "ferbench.method.head",
    "LabelTable": "ferbench.method.labels",
    "Masking": "ferbench.method.masking",
}

__version__ = "0.1.0"
__all__ = [
    "FACTORS", "LABEL_SPACES", "PARSING_CLASSES", "AssemblyRefused", "Backbone", "Batch", "Component", "DataError", "DatasetSpec",
    "Disentangler", "Expression", "Features", "FerbenchError", "Finding", "Head", "Inputs", "LabelSpace", "LabelTable", "Masking",
    "Output", "Parts", "Progress", "Reader", "RecipeError", "Sample", "Shown", "Site", "Spec", "TokenMask", "WeightsError", "ask_teacher",
    "discriminator_loss", "grad_reverse", "grey_face", "hookimpl", "mask_highest", "masked_count", "mine_bound", "see_all",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'ferbench' has no attribute {name!r}")
