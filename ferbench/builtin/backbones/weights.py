"""What a backbone starts from: the one place that reads the ``weights`` option."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from ferbench import hub
from ferbench.errors import UnknownName, WeightsError

# torchvision's first ImageNet training, without a trick: what FER papers mean by "ImageNet ResNet"
_IMAGENET = {"resnet18": "tv_in1k", "resnet50": "tv_in1k"}


def initialise(
    module: nn.Module,
    weights: str,
    *,
    timm_model: str = "",
    classifier: Iterable[str] = (),
    convert: Callable[[dict[str, Tensor]], Mapping[str, Tensor]] | None = None,
) -> list[dict[str, Any]]:
    """Fill ``module`` as ``weights`` says (see :mod:`ferbench.builtin.configs`) and return what goes into the record, a list of
    ``WeightsInfo`` as dictionaries. classifier: last layers of public files, which have no place in a backbone."""
    if weights == "random":
        return [asdict(hub.WeightsInfo("random", None, None, "", ()))]
    name = ""
    if weights.startswith("hf:") or _is_file(weights):
        reference = weights
    else:
        reference, name = timm_reference(timm_model, weights)
    return [asdict(hub.load_weights(module, reference, name=name, drop=classifier, convert=convert))]


def timm_reference(model: str, tag: str) -> tuple[str, str]:
    """``("hf:timm/resnet18.tv_in1k", "timm/resnet18.tv_in1k")`` for a model and a tag, "imagenet" or "default"."""
    if not model:
        raise WeightsError(
            f"no public weights {tag!r} for this backbone", next="Use random, hf:owner/name, or a .safetensors file"
        )
    if tag == "imagenet" and model in _IMAGENET:
        name = f"timm/{model}.{_IMAGENET[model]}"
        return f"hf:{name}", name
    import timm

    known = {full.partition(".")[2]: full for full in timm.list_pretrained(f"{model}.*") if full.partition(".")[0] == model}
    chosen = _choose(model, tag, known)
    config: Any = timm.get_pretrained_cfg(known[chosen])
    repo = config.hf_hub_id
    if not repo:
        raise WeightsError(f"timm keeps {known[chosen]} outside the Hub, as a pickle", next=hub.ELSEWHERE)
    repo = f"{repo}{known[chosen]}" if repo.endswith("/") else repo
    return f"hf:{repo}", f"timm/{known[chosen]}"


def _choose(model: str, tag: str, known: Mapping[str, str]) -> str:
    """A tag of the model: the one named, timm's default, or the first that saw ImageNet."""
    import timm

    if tag in known:
        return tag
    if tag == "default" and known:
        default: Any = timm.get_pretrained_cfg(model)
        return str(default.tag) if default is not None and default.tag in known else next(iter(known))
    imagenet = [name for name in known if name.endswith(("in1k", "in12k", "in21k"))]
    if tag == "imagenet" and imagenet:
        return imagenet[0]
    raise UnknownName("weights", tag, {"random", *known}, where=f"timm.{model}")


def _is_file(weights: str) -> bool:
    return "/" in weights or weights.endswith((".safetensors", *hub.PICKLES))
