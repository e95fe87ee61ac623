"""One look of a trained method at a few faces: what it hides, what its parts show, where a class comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ferbench.explain.gradcam import grad_cam
from ferbench.explain.panels import Picture
from ferbench.flow import Inputs, Shown, TokenMask
from ferbench.method.compose import Method

SIDE = 112
"""Pixels of a picture on the page."""
_GREY = 128
Shows = dict[tuple[str, str], dict[str, Shown]]
"""(slot, component) → what it shows, by name."""


@dataclass(frozen=True)
class Look:
    """A batch of faces, seen by one method. pictures: [B, S, S, 3] as the view makes them; seen: what the backbone takes of them, the
    same array where it takes all. mask: of the tokens it hides, None where it hides none; hidden: the pictures with those tokens grey.
    cams: of each block [B, H, W] over ``seen``, None where the class does not come from it."""

    pictures: NDArray[np.uint8]
    seen: NDArray[np.uint8]
    shown: Shows
    hidden: NDArray[np.uint8]
    mask: TokenMask | None = None
    cams: tuple[NDArray[np.float32] | None, ...] = ()


def look(method: Method, inputs: Inputs, *, cams: bool, mask: TokenMask | None = None) -> Look:
    """Looks at one batch. cams: whether the predicted class is traced back to the blocks. mask: hides these tokens, not those that the
    masking would choose from its seed."""
    pictures, taken = as_pictures(inputs.images, method), method.backbone.seen(inputs.images)
    seen = pictures if taken is inputs.images else as_pictures(taken, method)
    with torch.no_grad(), _choosing(method):
        output, _ = method.watched(inputs, mask)
        shown = shows(method, output, inputs)
    mask = output.features.mask
    if mask is None or not mask.drop.shape[1]:
        return Look(pictures, seen, shown, pictures, None, _cams(method, inputs) if cams else ())
    hidden = hide(pictures, mask.drop.cpu().numpy(), method.site.patch)
    return Look(pictures, seen, shown, hidden, mask, _cams(method, inputs) if cams else ())


def shows(method: Method, output: Any, inputs: Inputs) -> Shows:
    """What every component shows of one pass; components that show nothing are left out."""
    told = {(slot, str(getattr(part, "spec_name", slot))): part.shows(output, inputs) for slot, part in method.components()}
    return {key: found for key, found in told.items() if found}


@contextmanager
def _choosing(method: Method) -> Iterator[None]:
    """A masking that chooses tokens chooses as in training, the same ones every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        method.masking.train(method.masking.masks_tokens)
        try:
            yield
        finally:
            method.eval()


def _cams(method: Method, inputs: Inputs) -> tuple[NDArray[np.float32] | None, ...]:
    with torch.enable_grad():
        images = inputs.images.detach().clone().requires_grad_(True)
        output, blocks = method.watched(replace(inputs, images=images))
        if "expression" not in output.predictions:
            return ()
        score = output.predictions["expression"].float().amax(1)  # y of the predicted class
        return tuple(None if cam is None else cam.cpu().numpy() for cam in grad_cam(score, blocks))


def as_pictures(images: Tensor, method: Method) -> NDArray[np.uint8]:
    """Normalised pictures [B, 3, S, S] → uint8 [B, S, S, 3]."""
    mean, std = (torch.tensor(values, device=images.device)[:, None, None] for values in method.site.normalise)
    seen: NDArray[np.uint8] = (
        ((images.detach().float() * std + mean).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    )
    return seen


def hide(pictures: NDArray[np.uint8], drop: NDArray[np.int64], patch: int) -> NDArray[np.uint8]:
    """The pictures [B, S, S, 3] with the tokens ``drop`` [B, M], in reading order, as grey squares."""
    hidden, grid = pictures.copy(), pictures.shape[2] // patch
    for picture, tokens in zip(hidden, drop, strict=True):
        for token in tokens.tolist():
            top, left = token // grid * patch, token % grid * patch
            picture[top : top + patch, left : left + patch] = _GREY
    return hidden


def enlarged(picture: Picture, side: int = SIDE) -> Picture:
    """The picture at the page's size."""
    from PIL import Image

    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize((side, side), Image.Resampling.BICUBIC))


def scaled(values: NDArray[np.floating], *, from_zero: bool = False) -> NDArray[np.float32]:
    """A map [h, w] in [0, 1]: from its least value, or from zero, to its greatest; zeros where all are one."""
    low = 0.0 if from_zero else float(values.min())
    spread = float(values.max()) - low
    return ((values - low) / spread if spread > 1e-12 else np.zeros_like(values)).astype(np.float32)


def over(picture: Picture, shares: NDArray[np.float32]) -> Picture:
    """A map in [0, 1] drawn over the face: blue where it is low, red where it is high, and the clearer the higher."""
    from matplotlib import colormaps

    face = enlarged(picture).astype(np.float32)
    spread: Tensor = F.interpolate(torch.from_numpy(shares)[None, None], face.shape[:2], mode="bilinear", align_corners=False)
    heat = spread[0, 0].clamp(0, 1).numpy()
    colour = colormaps["turbo"](heat)[..., :3].astype(np.float32) * 255
    weight = (0.25 + 0.45 * heat)[..., None]
    mixed: Picture = ((1 - weight) * face + weight * colour).round().astype(np.uint8)
    return mixed


def few(blocks: Sequence[Any], most: int = 6) -> list[int]:
    """Numbers of at most ``most`` blocks, spread over all, the last among them."""
    return sorted({round(place) for place in np.linspace(0, len(blocks) - 1, min(most, len(blocks))).tolist()}) if blocks else []
