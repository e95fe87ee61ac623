"""Pictures and people that prepared sets share, with each other and between their own splits. No torch but to shrink pictures.

Two samples are, in this order: ``file``, the same shipped bytes stored alike; ``pixels``, other files that give the same stored
picture; ``near``, hashes within the radius and edges in the same places (:mod:`ferbench.data.nearby`): another compression, size,
colour or light, a slightly other crop, a neighbouring film frame; ``mirrored``, the same of one turned left to right; ``crop``,
another region of the same shipped file, such as another face in it. Only ``crop`` may rightly have another label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data import fill, nearby
from ferbench.data.nearby import Hashes, Rows
from ferbench.data.prepared import PreparedSet
from ferbench.schema import SPLITS, Finding

KINDS: tuple[str, ...] = ("file", "pixels", "near", "mirrored", "crop")
_MIRRORED, _CROP = KINDS.index("mirrored"), KINDS.index("crop")
_CHUNK = 2048


class Scanned:
    """A prepared set as the scan sees it, a row per sample. ``name`` is its reference, with the partition where one is used."""

    def __init__(self, prepared: PreparedSet) -> None:
        self.prepared = prepared
        self.name: str = prepared.info["reference"] + (f"@{prepared.partition.name}" if prepared.partition else "")
        self.splits: NDArray[np.str_] = np.full(len(prepared), "", "U8")
        for split in SPLITS:
            self.splits[prepared.rows(split)] = split
        self.labels = np.array([name or "" for name in prepared.column("expression")], np.str_)
        self.subjects = np.array([name or "" for name in prepared.subjects], np.str_)

    @cached_property
    def shipped(self) -> list[str]:
        """[n] the shipped file's name."""
        return self.prepared.column("file")

    @cached_property
    def files(self) -> Hashes:
        """[n] the first 64 bits of the shipped files' sha256, 0 where there is none."""
        return _digests(self.prepared.file_hashes)

    @cached_property
    def pixels(self) -> Hashes:
        """[n] the same of the stored pictures."""
        return _digests(self.prepared.column("pixel_sha256"))

    def hash(self, tell: fill.Progress, workers: int) -> None:
        """Find, or read, the perceptual hashes; must come before ``looks``."""
        self.looks, self.hashed = nearby.hashes_of(self.prepared, progress=tell, workers=workers)
        self.blank = int((self.prepared.readable & ~self.hashed).sum())

    @property
    def trained(self) -> NDArray[np.bool_]:
        """[n] whether a run that has this set as its source learns from the row."""
        return np.asarray(self.splits == "train")

    @cached_property
    def evaluated(self) -> NDArray[np.bool_]:
        """[n] whether a run that has this set as a target is scored on the row."""
        chosen = np.zeros(len(self.prepared), np.bool_)
        chosen[self.prepared.rows(self.prepared.evaluated)] = True
        return chosen


@dataclass(frozen=True)
class Overlap:
    """What two sets share, or one within itself (then a pair is given once): k pairs of rows, [k] each. kind: index into KINDS.
    distance: bits between the hashes. similarity: of the edges, NaN for another crop. crowded: rows of ``one`` with more partners
    than are listed."""

    one: Scanned
    two: Scanned
    first: Rows
    second: Rows
    kind: NDArray[np.int64]
    distance: NDArray[np.int64]
    similarity: NDArray[np.float32]
    crowded: int

    def __len__(self) -> int:
        return len(self.first)

    @property
    def within(self) -> bool:
        return self.one is self.two

    @cached_property
    def contradictions(self) -> NDArray[np.bool_]:
        """[k] pairs of one picture under two labels."""
        ours, theirs = self.one.labels[self.first], self.two.labels[self.second]
        return np.asarray((ours != theirs) & (ours != "") & (theirs != "") & (self.kind != _CROP))

    def seen(self) -> list[tuple[Scanned, Scanned, NDArray[np.bool_]]]:
        """Both ways: the set that is learnt from, the set that is scored, and [k] the pairs with one end in either part. Within
        a set there is one way. Another crop of a file is another face, and does not count."""
        same = self.kind != _CROP
        if self.within:
            same = same & (self.one.splits[self.first] != self.two.splits[self.second])
        there = same & self.one.trained[self.first] & self.two.evaluated[self.second]
        back = same & self.two.trained[self.second] & self.one.evaluated[self.first]
        if self.within:
            return [(self.one, self.one, there | back)]
        return [(self.one, self.two, there), (self.two, self.one, back)]

    def scored_rows(self, learnt: Scanned, scored: Scanned, pairs: NDArray[np.bool_]) -> Rows:
        """Rows of the scored set that such pairs stand for, each once."""
        if not self.within:
            return np.unique((self.second if scored is self.two else self.first)[pairs])
        first, second = self.first[pairs], self.second[pairs]
        return np.unique(np.where(learnt.trained[first], second, first))

    def counts(self) -> list[dict[str, Any]]:
        """Pairs per split of either set and kind, and how many of them are labelled differently; splits without any are left out."""
        ours, theirs = self.one.splits[self.first], self.two.splits[self.second]
        if self.within:
            place = {split: at for at, split in enumerate((*SPLITS, ""))}
            turned = np.array([place[a] > place[b] for a, b in zip(ours.tolist(), theirs.tolist(), strict=True)], np.bool_)
            ours, theirs = np.where(turned, theirs, ours), np.where(turned, ours, theirs)
        told = []
        for split in (*SPLITS, ""):
            for other in (*SPLITS, ""):
                here = (ours == split) & (theirs == other)
                if here.any():
                    of = {kind: int((self.kind[here] == number).sum()) for number, kind in enumerate(KINDS)}
                    names = {"one": self.one.name, "split_one": split, "two": self.two.name, "split_two": other}
                    told.append({**names, **of, "contradictions": int(self.contradictions[here].sum())})
        return told


@dataclass(frozen=True)
class Scan:
    """All that was found. subjects: how many people two splits share, by name."""

    sets: tuple[Scanned, ...]
    overlaps: tuple[Overlap, ...]
    radius: int
    subjects: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...] = field(default=())

    def counts(self) -> list[dict[str, Any]]:
        return [row for overlap in self.overlaps for row in overlap.counts()]


def scan(
    sets: Sequence[PreparedSet], radius: int = nearby.RADIUS, *, progress: fill.Progress | None = None, workers: int | None = None
) -> Scan:
    """Compare every set with itself and with each other. ``radius``: bits by which the hashes of near-duplicates may differ."""
    tell, cores = progress or (lambda what, done, total: None), fill.available_cores() if workers is None else workers
    scanned = [Scanned(prepared) for prepared in sets]
    for one in scanned:
        one.hash(tell, cores)
    overlaps = [_overlap(one, two, radius, tell, cores) for one, two in combinations_with_replacement(scanned, 2)]
    people = [row for one, two in combinations_with_replacement(scanned, 2) for row in shared_subjects(one, two)]
    return Scan(tuple(scanned), tuple(overlaps), radius, tuple(people), tuple(_findings(scanned, overlaps)))


def shared_subjects(one: Scanned, two: Scanned) -> list[dict[str, Any]]:
    """People in two splits, of one set or of two. Names mean the same person only within one family of datasets."""
    family = one.prepared.info["family"]
    if one is not two and (not family or family != two.prepared.info["family"]):
        return []
    told = []
    for split in SPLITS:
        for other in SPLITS:
            if one is two and SPLITS.index(other) <= SPLITS.index(split):
                continue
            both = np.intersect1d(one.subjects[one.splits == split], two.subjects[two.splits == other])
            names = [str(name) for name in both if name]
            if names:
                where = {"one": one.name, "split_one": split, "two": two.name, "split_two": other}
                told.append({**where, "subjects": len(names), "names": names[:5]})
    return told


def _findings(sets: Sequence[Scanned], overlaps: Sequence[Overlap]) -> list[Finding]:
    found = []
    for one in sets:
        unreadable = int((~one.prepared.readable).sum())
        if unreadable:
            found.append(Finding("warning", one.name, f"{unreadable:,} unreadable pictures were not compared"))
        if one.blank:
            found.append(Finding("warning", one.name, f"{one.blank:,} blank pictures have no hash: only exact copies are found"))
    for overlap in overlaps:
        if overlap.crowded:
            where = f"{overlap.one.name} and {overlap.two.name}"
            what = f"{overlap.crowded:,} pictures have more partners than the {nearby.PARTNERS} nearest, which are listed"
            found.append(Finding("warning", overlap.one.name if overlap.within else where, what))
    return found


def _overlap(one: Scanned, two: Scanned, radius: int, tell: fill.Progress, workers: int) -> Overlap:
    """Every pair of two sets, each once, under the first kind that it is."""
    within, what = one is two, one.name if one is two else f"{one.name} in {two.name}"
    length, crowded = len(two.prepared), [np.zeros(0, np.int64)]

    def join(ours: Hashes, theirs: Hashes, used: NDArray[np.bool_], known: NDArray[np.bool_], bits: int, task: str) -> Rows:
        """Pairs within ``bits``, as first * length + second, ascending."""
        mine, other = np.flatnonzero(used), np.flatnonzero(known)
        found = nearby.search(
            ours[mine], theirs[other], bits, workers=workers, tell=lambda done, of: tell(f"{task} {what}", done, of)
        )
        crowded.append(mine[found.crowded])
        first, second = mine[found.one], other[found.two]
        return np.unique((first * length + second)[first < second] if within else first * length + second)

    files = join(one.files, two.files, one.files > 0, two.files > 0, 0, "same files,")
    pixels = join(one.pixels, two.pixels, one.pixels > 0, two.pixels > 0, 0, "same pixels,")
    near = join(one.looks, two.looks, one.hashed, two.hashed, radius, "near,")
    turned = join(nearby.mirrored(one.looks), two.looks, one.hashed, two.hashed, radius, "mirrored,")
    near = np.setdiff1d(near, pixels, assume_unique=True)
    turned = np.setdiff1d(turned, pixels, assume_unique=True)
    alike, alike_turned = (
        _similarities(one, two, codes // length, codes % length, flip, tell, workers)
        for codes, flip in ((near, False), (turned, True))
    )
    close, close_turned = alike >= nearby.SIMILAR, alike_turned >= nearby.SIMILAR
    parts = (np.intersect1d(files, pixels), pixels, near[close], turned[close_turned], files)
    ones = [np.ones(len(part), np.float32) for part in parts]
    edges = np.concatenate([ones[0], ones[1], alike[close], alike_turned[close_turned], ones[4] * np.nan])
    kinds = np.repeat(np.arange(len(KINDS)), [len(part) for part in parts])
    codes, place = np.unique(np.concatenate(parts), return_index=True)  # the first place: the first kind
    first, second, kind = codes // length, codes % length, kinds[place]
    looks = np.where(kind == _MIRRORED, nearby.mirrored(one.looks[first]), one.looks[first])
    distance = nearby.distances(looks, two.looks[second]).astype(np.int64)
    return Overlap(one, two, first, second, kind, distance, edges[place], len(np.unique(np.concatenate(crowded))))


def _similarities(
    one: Scanned, two: Scanned, first: Rows, second: Rows, flip: bool, tell: fill.Progress, workers: int
) -> NDArray[np.float32]:
    """[k] of every pair; ``flip`` turns the first picture left to right."""
    ours, theirs = (side.prepared.pixels(nearby.SIDE) for side in (one, two))
    found = np.zeros(len(first), np.float32)

    def work(start: int, stop: int) -> None:
        a, b = nearby.grey(ours[first[start:stop]]), nearby.grey(theirs[second[start:stop]])
        found[start:stop] = nearby.similarity(a[:, :, ::-1] if flip else a, b)

    for done, _nothing in fill.in_chunks(work, len(first), _CHUNK, workers):
        tell("comparing edges", done, len(first))
    return found


def _digests(values: Sequence[str]) -> Hashes:
    return np.array([int(value[:16] or "0", 16) for value in values], np.uint64)
