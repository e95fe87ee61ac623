"""How a teacher, a frozen method of an earlier stage, is asked. Written once."""

from __future__ import annotations

import torch
from torch import nn

from ferbench.flow import Inputs, Output
from ferbench.method.component import Site


@torch.no_grad()
def ask_teacher(teacher: nn.Module, inputs: Inputs) -> Output:
    """What the teacher makes of the pictures, without a graph."""
    output: Output = teacher(inputs)
    return output


def grey_face(teacher: nn.Module, site: Site) -> Inputs:
    """One grey picture [1, 3, side, side] on the teacher's device: enough to see the shapes of what it gives."""
    weight = next(teacher.parameters())
    return Inputs(torch.zeros(1, 3, site.image, site.image, device=weight.device))
