"""MARLIN's masking on single pictures: background and skin stay visible, then parts of the face in random order, up to the ratio."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ferbench import PARSING_CLASSES, AssemblyRefused, Inputs, Masking, Site, TokenMask, mask_highest, masked_count, see_all
from ferbench_esgm.config import MarlinConfig

GROUPS: tuple[tuple[str, ...], ...] = (
    (),  # background, and every class that no other group has
    ("skin",),
    ("r_eye", "r_brow"),
    ("l_eye", "l_brow"),
    ("nose",),
    ("mouth", "u_lip", "l_lip"),
    ("hair",),
)
"""The first two stay visible first, in this order; the others follow in an order drawn for each picture."""


def group_of_class() -> Tensor:
    """[19]: the group of each parsing class."""
    known = {name: number for number, group in enumerate(GROUPS) for name in group}
    return torch.tensor([known.get(name, 0) for name in PARSING_CLASSES])


def groups_in_patches(parsing: Tensor, groups: Tensor, patch: int) -> Tensor:
    """parsing: [B, H, W] class indices → [B, groups, N] of bool: whether any pixel of the patch is of the group."""
    inside = F.one_hot(groups[parsing], len(GROUPS)).movedim(-1, 1)  # [B, groups, H, W]
    return F.max_pool2d(inside.float(), patch).flatten(2) > 0


def drawn_order(pictures: int, device: torch.device) -> Tensor:
    """[B, groups]: the turn of each group; background 0, skin 1, the others a permutation of 2 …"""
    fixed = torch.arange(2, device=device).expand(pictures, 2)
    others = torch.rand(pictures, len(GROUPS) - 2, device=device).argsort(1).argsort(1) + 2
    return torch.cat([fixed, others], 1)


def hidden_scores(present: Tensor, turn: Tensor, keep: int, noise: Tensor) -> Tensor:
    """Scores [B, N], of which the highest are to be hidden. A patch is seen at the first turn of any group in it; turns are taken until
    ``keep`` patches at least are seen; of those seen, the surplus is hidden at random. present: [B, groups, N]; turn: [B, groups];
    noise: [B, N] in [0, 1)."""
    first = torch.where(present, turn[:, :, None], len(GROUPS)).amin(1)  # [B, N]
    turns = torch.arange(len(GROUPS), device=turn.device)
    seen = (first[:, :, None] <= turns).sum(1)  # [B, turns]: patches seen after each
    last = (seen < keep).sum(1, keepdim=True)  # [B, 1]: the turn at which they are enough
    return noise + (first > last)


class MarlinMasking(Masking):
    """tokens [B, N, E] → ⌊ratio · N⌋ of them hidden in training, those of eyes, nose, mouth and hair first; none at test time. Raises
    AssemblyRefused where there are no tokens, no patches or no maps."""

    groups: Tensor
    needs = frozenset({"parsing"})

    def __init__(self, config: MarlinConfig, site: Site) -> None:
        super().__init__()
        if not site.tokens or not site.patch:
            raise AssemblyRefused("masking esgm.marlin chooses tokens that are patches of the picture; the backbone has none")
        self.patch, self.count = site.patch, masked_count(config.ratio, site.tokens)
        self.register_buffer("groups", group_of_class(), persistent=False)

    def select_tokens(self, tokens: Tensor, inputs: Inputs) -> TokenMask:
        if not self.training:
            return see_all(tokens)
        present = groups_in_patches(inputs.views["parsing"], self.groups, self.patch)
        noise = torch.rand(tokens.shape[:2], device=tokens.device)
        turn = drawn_order(len(tokens), tokens.device)
        return mask_highest(hidden_scores(present, turn, tokens.shape[1] - self.count, noise), self.count)
