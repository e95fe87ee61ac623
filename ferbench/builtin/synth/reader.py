"""The synthetic sets as a reader: records at once, pixels when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferbench.builtin.synth.config import SynthConfig
from ferbench.builtin.synth.expressions import DRAWN, affect
from ferbench.builtin.synth.factors import cast, clip_of, subjects
from ferbench.builtin.synth.landmarks import landmarks
from ferbench.builtin.synth.profiles import AGES, GENDERS, LIGHTS, POSES, PROFILES, RACES
from ferbench.builtin.synth.scene import Scene, scene
from ferbench.data.reader import Reader
from ferbench.errors import DataError
from ferbench.schema import SPLITS, Sample

if TYPE_CHECKING:
    from torch import Tensor

CAST, CHUNK = 128, 16
"""Faces set up, and faces drawn, at a time: setting up is much work per call and little per face; planes should fit a cache."""

Job = tuple[list[int], Scene]
Pictures = NDArray[np.uint8]


class SynthReader(Reader):
    """Reads nothing: a sample's image token is all that is needed to draw it.

    A token is ``profile/split/number`` and, where options differ from the defaults, ``?name=value&…``; the same token gives
    the same bytes on every machine, in any batch. Of videos the number counts frames, clip after clip. ``device`` may be set to
    draw elsewhere than on the CPU.
    """

    rooted = False
    version = "2"

    def __init__(self, profile: str, config: SynthConfig | None = None) -> None:
        super().__init__()
        self.config = config or SynthConfig()
        self.profile = self.config.over(PROFILES[profile])
        self.device = "cpu"

    def samples(self, root: Path | None = None) -> Iterator[Sample]:
        for split, size in zip(SPLITS, self._sizes(), strict=True):
            for start in range(0, size, 256):
                yield from self._records(split, range(start, min(start + 256, size)))

    def factor_classes(self) -> dict[str, tuple[str, ...]]:
        used = [name for split, size in zip(SPLITS, self._sizes(), strict=True) if size for name in subjects(self.profile, split)]
        return {
            "gender": GENDERS, "age": AGES, "race": RACES, "identity": tuple(dict.fromkeys(used)),
            "illumination": tuple(LIGHTS), "pose": POSES,
        }  # fmt: skip

    def pixels(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
        """Pictures [size, size, 3]."""
        from ferbench.builtin.synth.render import render

        return self._drawn(samples, render)

    def parsing(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
        """Parsing maps [size, size]; left and right are the picture's."""
        from ferbench.builtin.synth.render import parse

        return self._drawn(samples, parse)

    def drawn(self, samples: Sequence[Sample]) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
        """Both of one drawing."""
        from ferbench.builtin.synth.render import render_and_parse

        both = self._drawn(samples, render_and_parse)
        return [picture[..., :3] for picture in both], [picture[..., 3] for picture in both]

    def _sizes(self) -> tuple[int, int, int]:
        asked, usual = (self.config.train, self.config.val, self.config.test), self.profile.sizes
        train, val, test = (own if given is None else given for given, own in zip(asked, usual, strict=True))
        return train, val, test

    def _records(self, split: str, numbers: range) -> Iterator[Sample]:
        who = cast(self.profile, split, numbers, self.config)
        feeling = affect(who.of, who.expression, who.intensity)
        points = landmarks(scene(who), self.config.size)
        suffix = self.config.token()
        for row, number in enumerate(numbers):
            token = f"{self.profile.name}/{split}/{number:05d}{suffix}"
            clip, frame = clip_of(self.profile, number)
            moving = self.profile.frames > 0
            yield Sample(
                id=token, image=token, expression=DRAWN[who.label[row]], domain=self.profile.name, split=split,
                subject=who.subject[row], factors=who.factors(row),
                valence=float(feeling[row, 0]), arousal=float(feeling[row, 1]),
                landmarks=tuple((float(x), float(y)) for x, y in points[row]), parsing=token,
                video=f"{self.profile.name}/{split}/clip-{clip:04d}{suffix}" if moving else None, frame=frame if moving else None,
            )  # fmt: skip

    def _drawn(self, samples: Sequence[Sample], draw: Callable[..., Tensor]) -> list[NDArray[np.uint8]]:
        places = [self._place(sample) for sample in samples]
        jobs: list[Job] = []
        for split in SPLITS:
            rows = [i for i, place in enumerate(places) if place[0] == split]
            for start in range(0, len(rows), CAST):
                part = rows[start : start + CAST]
                whole = scene(cast(self.profile, split, [places[i][1] for i in part], self.config))
                for first in range(0, len(part), CHUNK):
                    few = {name: value[first : first + CHUNK] for name, value in whole.items()}
                    jobs.append((part[first : first + CHUNK], few))
        out: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)] * len(samples)

        def work(job: Job) -> Pictures:
            pictures: Pictures = draw(job[1], self.profile, self.config.size, self.device).cpu().numpy()
            return pictures

        drawn = _side_by_side(work, jobs, self.device)
        for (rows, _), pictures in zip(jobs, drawn, strict=True):
            for i, picture in zip(rows, pictures, strict=True):
                out[i] = picture
        return out

    def _place(self, sample: Sample) -> tuple[str, int]:
        """Split and number of a token. Raises DataError for one that another set, or other options, made."""
        path, _, options = str(sample.image).partition("?")
        name, _, rest = path.partition("/")
        split, _, number = rest.partition("/")
        ours = name == self.profile.name and f"?{options}".rstrip("?") == self.config.token()
        if not (ours and split in SPLITS and number.isdigit()):
            raise DataError(
                f"{str(sample.image)!r} is not a picture of this set",
                where=self.profile.name + self.config.token(),
                next=f"Its pictures are {self.profile.name}/train/00000{self.config.token()} and so on",
            )
        return split, int(number)


def _side_by_side(work: Callable[[Job], Pictures], jobs: Sequence[Job], device: str) -> list[Pictures]:
    """Results in the order of ``jobs``, one job per thread. Threads inside an operation would wait for each other some hundred
    times per face, which on a busy machine is most of the time; so each job has one."""
    import torch

    threads = torch.get_num_threads()
    if threads == 1 or len(jobs) < 2 or device != "cpu":
        return [work(job) for job in jobs]
    try:
        with ThreadPoolExecutor(min(threads, len(jobs)), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, jobs))
    finally:
        torch.set_num_threads(threads)
