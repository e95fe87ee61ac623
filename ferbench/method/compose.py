"""Four slots become one method, or are refused with a reason before any data loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from ferbench.errors import AssemblyRefused, RecipeError
from ferbench.flow import Batch, Features, Inputs, Output, Progress, TokenMask
from ferbench.layers import SLOT_KINDS, coerce
from ferbench.method.backbone import Backbone, Between, SelectTokens
from ferbench.method.component import Component, Site
from ferbench.method.disentangler import Disentangler
from ferbench.method.head import Head
from ferbench.method.masking import Masking
from ferbench.plugins import Registry
from ferbench.recipe import Stage
from ferbench.schema import fold

SLOTS: tuple[str, ...] = ("backbone", "masking", "disentangler", "head")
_PARTS = frozenset({"pooled", "tokens", "levels"})


class Method(nn.Module):
    """backbone → masking → disentangler → head. ``forward`` sees inputs only; losses see the batch."""

    backbone: Backbone
    masking: Masking
    disentangler: Disentangler
    head: Head

    def __init__(self, backbone: Backbone, masking: Masking, disentangler: Disentangler, head: Head, site: Site) -> None:
        super().__init__()
        self.backbone, self.masking, self.disentangler, self.head = backbone, masking, disentangler, head
        self.site = site
        self._select = masking.select_tokens if masking.masks_tokens else None
        self._between = disentangler.between if disentangler.acts_between else None
        self._painter = _painter(self)

    def forward(self, inputs: Inputs) -> Output:
        return self._through(inputs, self._select, partial(self._between, inputs=inputs) if self._between else None)

    def _through(self, inputs: Inputs, select: SelectTokens | None, between: Between | None) -> Output:
        features = self.backbone(inputs, select, between)
        features = self.masking.weigh_features(features, inputs)
        parts = self.disentangler(features, inputs)
        predictions = self.head(parts, features)
        return Output(features, parts, predictions)

    def watched(self, inputs: Inputs, mask: TokenMask | None = None) -> tuple[Output, tuple[Tensor, ...]]:
        """``forward``, and what every block of the backbone hands on: [B, C, H, W] or tokens [B, k, E], the first block first; the levels
        of a backbone without taps. mask: hides these tokens instead of those that the masking would choose."""
        seen: list[Tensor] = []

        def tap(level: int, x: Tensor) -> Tensor:
            x = x if self._between is None else self._between(level, x, inputs)
            seen.append(x)
            return x

        select = self._select if mask is None else lambda tokens, inputs: mask
        output = self._through(inputs, select, tap if self.backbone.taps else None)
        return output, tuple(seen) or output.features.levels

    @property
    def paints(self) -> bool:
        return self._painter is not None

    def painted(self, batch: Batch, progress: Progress) -> Batch:
        """What a step learns from: the batch itself, or what a part paints of it."""
        if self._painter is None:
            return batch
        part: Component = getattr(self, self._painter)
        with torch.no_grad():
            painted = part.paint(replace(batch, network=self.as_it_stands), progress)
        return replace(painted, network=self.as_it_stands)

    def as_it_stands(self, inputs: Inputs) -> Output:
        """``forward`` in evaluation mode: statistics stay, nothing drops out. Every part is then in the mode that it was in."""
        training = [module for module in self.modules() if module.training]
        self.eval()
        try:
            output: Output = self(inputs)
        finally:
            for module in training:
                module.training = True
        return output

    def components(self) -> Iterator[tuple[str, Component]]:
        for slot in SLOTS:
            yield slot, getattr(self, slot)

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """Every slot's terms for the main phase; no two slots may emit one name."""
        return self._gather("losses", output, batch, progress)

    def critic_losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """Every slot's terms for the critics' phase, on a detached output."""
        return self._gather("critic_losses", output, batch, progress)

    def start(self, expression: Tensor) -> None:
        for _, component in self.components():
            component.start(expression)

    def after_step(self, output: Output, batch: Batch, progress: Progress) -> None:
        for _, component in self.components():
            component.after_step(output, batch, progress)

    def _gather(self, kind: str, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        for slot, component in self.components():
            for name, term in getattr(component, kind)(output, batch, progress).items():
                if name in terms:
                    raise AssemblyRefused(f"two slots emit a loss named {name!r}; one of them is the {slot}")
                terms[name] = term
        return terms

    def phase_parameters(self) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
        """Parameters of the main phase and of the critics, by full name. Frozen ones (no gradient) are in neither."""
        main: dict[str, nn.Parameter] = {}
        critics: dict[str, nn.Parameter] = {}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                (critics if name.split(".")[1:2] == ["critics"] else main)[name] = parameter
        return main, critics


def probe_inputs(site: Site, batch: int = 2, views: tuple[str, ...] = ()) -> Inputs:
    """Grey inputs of the right shape, to learn the shapes of everything downstream."""
    picture = torch.zeros(batch, 3, site.image, site.image)
    extra = {
        name: torch.zeros(batch, site.image, site.image, dtype=torch.long) if name == "parsing" else picture for name in views
    }
    return Inputs(picture, extra)


@torch.no_grad()
def describe_backbone(backbone: Backbone, site: Site) -> Site:
    """The site with the widths and level shapes that this backbone has at this image size, measured by one small pass."""
    backbone.eval()
    features: Features = backbone(probe_inputs(site, 1))
    backbone.train()
    widths: dict[str, int] = {}
    if features.pooled is not None:
        widths["pooled"] = features.pooled.shape[1]
    if features.tokens is not None:
        widths["tokens"] = features.tokens.shape[2]
    levels = tuple((x.shape[1], x.shape[2], x.shape[3]) for x in features.levels)
    tokens = 0 if features.tokens is None else features.tokens.shape[1]
    return replace(site, widths=widths, levels=levels, tokens=tokens, patch=backbone.patch)


def check_slots(backbone: Backbone, masking: Masking, disentangler: Disentangler, site: Site) -> None:
    """Refuse what cannot work between the slots: token masks, taps between blocks."""
    if masking.masks_tokens and not backbone.selects:
        raise AssemblyRefused(f"masking {_name(masking)} chooses tokens; backbone {_name(backbone)} always sees the whole image")
    if disentangler.acts_between and not backbone.taps:
        raise AssemblyRefused(f"disentangler {_name(disentangler)} acts between blocks; backbone {_name(backbone)} has no taps")


def check_needs(slot: str, component: Component, site: Site, provided: frozenset[str]) -> None:
    """Refuse a component whose needs nobody meets. provided: parts of Features, labels and views there are."""
    for need in sorted(component.needs - provided):
        there = ", ".join(sorted(provided & _PARTS)) or "nothing"
        if need in _PARTS:
            raise AssemblyRefused(f"{slot} {_name(component)} needs {need}; what reaches it provides {there}")
        if need == "copies":
            raise AssemblyRefused(
                f"{slot} {_name(component)} compares each face with a copy of it, and the view makes none",
                next="Mirrored ones: --set 'view.copies=[{augment=[{op=\"flip\", p=1.0}]}]'",
            )
        raise AssemblyRefused(
            f"{slot} {_name(component)} needs {need!r} from the training data, which has "
            f"{', '.join(sorted(provided - _PARTS)) or 'expressions only'}",
            next=f'A stage of data = "auxiliary.{need}" has it' if need in ("factors", "parsing") else "",
        )


def _painter(method: Method) -> str | None:
    """The slot whose part makes the pictures of a step; None where a step learns from those of the view."""
    slots = [slot for slot, component in method.components() if component.paints]
    if len(slots) > 1:
        one, other = (f"{slot} {_name(getattr(method, slot))}" for slot in slots[:2])
        raise AssemblyRefused(f"{one} and {other} both make the pictures that a step learns from; one part of a method may")
    return slots[0] if slots else None


def _name(component: Component) -> str:
    return getattr(component, "spec_name", type(component).__name__)


@torch.no_grad()
def expression_width(disentangler: Disentangler, features: Features, inputs: Inputs) -> int:
    """E of ``Parts.expression``, measured in eval mode."""
    disentangler.eval()
    width = disentangler(features, inputs).expression.shape[1]
    disentangler.train()
    return int(width)


def _further(registry: Registry, site: Site) -> Callable[[str, Mapping[str, Any]], Backbone]:
    """Builds the backbones that a component asks for (``Site.backbone``)."""

    def build(use: str, options: Mapping[str, Any]) -> Backbone:
        spec = registry.spec("backbones", use)
        known = {field.name for field in fields(spec.config)} if spec.config is not None else set()
        if options.get("weights") == "random" and "weights" not in known:  # what fetches nothing starts at random anyway
            options = {name: value for name, value in options.items() if name != "weights"}
        if options and spec.config is None:
            raise RecipeError(f"{use!r} has no options, and {sorted(options)[0]!r} was given")
        backbone: Backbone = spec.build(coerce(spec.config, options, f"backbone {use}") if spec.config else None, site)
        return backbone

    return build


def assemble(stage: Stage, site: Site, registry: Registry, *, provided: frozenset[str] = frozenset(), seed: int = 0) -> Method:
    """The method of one stage, on the CPU, freshly initialised from ``seed`` (each slot from its own part of it).

    provided: labels and views that the training data has. Raises AssemblyRefused with the reason, before any data loads.
    """

    def build(slot: str, at: Site) -> Component:
        chosen = stage.slots()[slot]
        spec = registry.spec(SLOT_KINDS[slot], chosen.use)
        torch.manual_seed(fold(seed, stage.name, slot))
        component: Component = spec.build(spec.config(**chosen.config) if spec.config else None, at)
        component.spec_name = chosen.use  # type: ignore[assignment]
        return component

    views = tuple(name.removeprefix("view:") for name in provided if name.startswith("view:"))
    provided |= {"copies"} if stage.view.copies_of(2) else set()
    site = replace(site, backbones=_further(registry, site))
    backbone = cast(Backbone, build("backbone", site))
    site = describe_backbone(backbone, site)
    masking = cast(Masking, build("masking", site))
    inputs = probe_inputs(site, 2, (*views, *(("parsing",) if "parsing" in provided else ())))
    with torch.no_grad():
        for module in (backbone, masking):
            module.eval()
        given = backbone(inputs)
        check_needs("masking", masking, site, provided | given.provides())
        features = masking.weigh_features(given, inputs)
        site = replace(
            site, widths={**site.widths, **({"pooled": features.pooled.shape[1]} if features.pooled is not None else {})}
        )
        for module in (backbone, masking):
            module.train()
    disentangler = cast(Disentangler, build("disentangler", site))
    check_slots(backbone, masking, disentangler, site)
    check_needs("disentangler", disentangler, site, provided | features.provides())
    site = replace(site, widths={**site.widths, "expression": expression_width(disentangler, features, inputs)})
    head = cast(Head, build("head", site))
    check_needs("head", head, site, provided | features.provides())
    return Method(backbone, masking, disentangler, head, site)
