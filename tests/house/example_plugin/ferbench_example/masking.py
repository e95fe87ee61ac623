"""The masking itself."""

import torch

from ferbench import Masking, TokenMask


class RandomTokens(Masking):
    """Keeps a random N − ratio·N of the N tokens of each face in training, and all of them in evaluation."""

    def __init__(self, config):
        super().__init__()
        self.ratio = config.ratio

    def select_tokens(self, tokens, inputs):
        faces, n, _ = tokens.shape  # [B, N, E]
        order = torch.rand(faces, n, device=tokens.device).argsort(1)
        kept = n - round(n * self.ratio) if self.training else n
        return TokenMask(keep=order[:, :kept].sort(1).values, drop=order[:, kept:])
