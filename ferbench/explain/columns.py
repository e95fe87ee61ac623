"""Grids of faces: each column is a way to see them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ferbench.explain.faces import Domain, Face
from ferbench.explain.look import Look, as_pictures, enlarged, few, over, scaled
from ferbench.explain.panels import Grid, Picture, Strip
from ferbench.flow import Shown
from ferbench.method.compose import Method
from ferbench.study.trained import Trained

Column = tuple[str, list[Picture]]
"""Title, and a picture for every face of a look."""


def grid(name: str, domain: Domain, run: Trained, looks: Sequence[Look], columns: Sequence[list[Column]]) -> Grid:
    """The domain's faces as they are, then the columns of each look."""
    titles = [title for title, _ in columns[0]]
    seen = [enlarged(picture) for one in looks for picture in one.pictures]
    further = [[picture for of_look in columns for picture in of_look[place][1]] for place in range(len(titles))]
    strips = tuple(
        Strip(caption(face, run), face.right, tuple(pictures))
        for face, *pictures in zip(domain.shown, seen, *further, strict=True)
    )
    return Grid(name, domain.title, ("face", *titles), strips)


def gallery(name: str, domain: Domain, run: Trained) -> Grid:
    """The faces alone, as they are stored."""
    from ferbench.data.show import tile

    def strip(face: Face) -> Strip:
        return Strip(caption(face, run), face.right, (np.asarray(tile(domain.prepared.picture(face.row), 112)),))

    return Grid(name, domain.title, ("face",), tuple(strip(face) for face in domain.shown))


def caption(face: Face, run: Trained) -> str:
    """fear → surprise 62 %, or fear 62 % where that is right."""
    names = [str(name) for name in run.labels.classes]
    said = names[face.label] if face.right else f"{names[face.label]} → {names[face.said]}"
    return f"{said} {100 * face.chance:.0f} %"


def cam_columns(looks: Sequence[Look]) -> list[list[Column]]:
    """For each look, Grad-CAM behind a few of the blocks that the class comes from; a block's number counts from 1, the finest. What a
    backbone takes of a face stands before them, where that is not all."""
    reached = [block for block, cam in enumerate(looks[0].cams) if cam is not None]
    chosen = [reached[place] for place in few(reached)]
    return [[*_part(one), *((f"block {block + 1}", _heat(one, block)) for block in chosen)] for one in looks]


def _part(one: Look) -> list[Column]:
    return [] if one.seen is one.pictures else [("seen", [enlarged(picture) for picture in one.seen])]


def _heat(one: Look, block: int) -> list[Picture]:
    cams = one.cams[block]
    cams = np.zeros((len(one.pictures), 1, 1), np.float32) if cams is None else cams
    return [over(face, scaled(cam, from_zero=True)) for face, cam in zip(one.seen, cams, strict=True)]


def shown_columns(one: Look, shown: dict[str, Shown], method: Method) -> list[Column]:
    """Maps over the faces, and pictures beside them."""
    columns = list[Column]()
    for name, what in shown.items():
        if what.kind == "map":
            maps = what.values.float().cpu().numpy()
            columns.append((name, [over(face, scaled(values)) for face, values in zip(one.pictures, maps, strict=True)]))
        elif what.kind == "picture":
            columns.append((name, [enlarged(picture) for picture in as_pictures(what.values, method)]))
    return columns


def masked_columns(one: Look, method: Method, title: str, other: Column | None) -> list[Column]:
    """What a masking that chooses tokens shows, what it hides, and what is painted there; and how another run paints it."""
    masking = [
        column for (slot, _), shown in one.shown.items() if slot == "masking" for column in shown_columns(one, shown, method)
    ]
    painted = [column for (slot, _), shown in one.shown.items() if slot == "head" for column in shown_columns(one, shown, method)]
    titled = [(title, pictures) for _, pictures in painted] if other is not None else painted
    hidden = ("hidden", [enlarged(picture) for picture in one.hidden])
    return [*masking, hidden, *([] if other is None else [other]), *titled]
