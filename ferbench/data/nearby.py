"""Pictures that are nearly the same, found by a 64-bit perceptual hash through an index: never all pairs. No torch.

The hash: the picture as 32 x 32 grey levels; of its cosine transform the 8 x 8 coefficients of vertical and horizontal frequency
1 to 8, a bit each, set where the coefficient is positive. Brightness and contrast do not enter it at all, compression, another
size and loss of colour hardly, a crop or shift by two hundredths changes about five bits, and a mirrored picture has the same
bits but for those of odd horizontal frequency, which are turned (:func:`mirrored`). Blank pictures have no hash.

Faces that are aligned alike resemble each other, so a small distance alone is a candidate: :func:`similarity` decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data import fill
from ferbench.files import write_atomic

if TYPE_CHECKING:
    from ferbench.data.prepared import PreparedSet

BITS, SIDE = 64, 32
RADIUS = 10
"""Bits by which the hashes of two pictures may differ: a crop of two hundredths stays within in 95 of 100 pictures."""
SIMILAR = 0.7
"""Least :func:`similarity` of near-duplicates. Within RADIUS, among 17 million pairs of real faces, other people reached 0.65 and
neighbouring film frames 0.79."""
PARTNERS = 64
"""Most near-duplicates listed per picture, nearest first: a thousand blank or copied pictures are not a million pairs."""

_FLAT = 2.0  # grey levels of standard deviation below which there is nothing to hash
_VERSION = 1  # of the hash; part of the cache's name
_CHUNK = 1024
_PROBES = 1 << 19  # buckets looked up at a time
_LOOKED_AT = 1 << 14  # hashes compared per query and band, likeliest first
_AT_ONCE = 1 << 14  # hashes compared at a time: what a core keeps near

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]
Grey = NDArray[np.float32]


def _order() -> tuple[Rows, Rows]:
    """Vertical and horizontal frequency of every bit, low ones first, so that bands of every m-th bit are alike."""
    v, h = (axis.ravel() for axis in np.mgrid[1:9, 1:9])
    order = np.argsort(v**2 + h**2, kind="stable")
    return v[order].astype(np.int64), h[order].astype(np.int64)


_V, _H = _order()
_COSINES = np.cos(np.pi / (2 * SIDE) * np.arange(1, 9)[:, None] * (2 * np.arange(SIDE) + 1)[None]).astype(np.float32)  # [8, 32]
_MIRROR = np.packbits((_H % 2).astype(np.bool_), bitorder="little").view("<u8").astype(np.uint64)


def hashes(levels: Grey) -> Hashes:
    """[n] hashes of grey pictures [n, 32, 32]."""
    coefficients = _COSINES @ levels @ _COSINES.T  # [n, 8, 8]
    bits = coefficients[:, _V - 1, _H - 1] > 0
    return np.ascontiguousarray(np.packbits(bits, axis=1, bitorder="little")).view("<u8").ravel().astype(np.uint64)


def mirrored(values: Hashes) -> Hashes:
    """[n] hashes of the same pictures turned left to right."""
    return values ^ _MIRROR


def distances(one: Hashes, two: Hashes) -> NDArray[np.uint8]:
    """Bits in which hashes differ, element by element."""
    return _count_bits(one ^ two)


def _swar(values: Hashes) -> NDArray[np.uint8]:
    """Set bits of every value, for NumPy before 2.0."""
    a, b, c, d = (np.uint64(mask) for mask in (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F, 0x0101010101010101))
    values = values - ((values >> np.uint64(1)) & a)
    values = (values & b) + ((values >> np.uint64(2)) & b)
    values = (values + (values >> np.uint64(4))) & c
    return ((values * d) >> np.uint64(56)).astype(np.uint8)


_count_bits: Callable[[Hashes], NDArray[np.uint8]] = getattr(np, "bitwise_count", _swar)


def grey(pixels: NDArray[np.uint8]) -> Grey:
    """Grey levels [n, 32, 32] in [0, 255] of pictures [n, 32, 32, 3]."""
    levels: Grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return levels


def hashes_of(
    prepared: PreparedSet, *, progress: fill.Progress | None = None, workers: int | None = None
) -> tuple[Hashes, NDArray[np.bool_]]:
    """[n] hashes of a prepared set, and [n] whether the picture has one (readable, not blank). Kept beside the set."""
    path = prepared.folder / "cache" / f"phash-{_VERSION}.npy"
    kind = np.dtype([("hash", np.uint64), ("contrast", np.float32)])
    try:
        kept = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        kept = None
    if kept is None or kept.dtype != kind or len(kept) != len(prepared):
        small = prepared.pixels(SIDE, progress=progress, workers=workers)
        kept = np.zeros(len(prepared), kind)

        def work(start: int, stop: int) -> None:
            levels = grey(small[start:stop])
            kept["hash"][start:stop] = hashes(levels)
            kept["contrast"][start:stop] = levels.std(axis=(1, 2))

        for done, _nothing in fill.in_chunks(work, len(kept), _CHUNK, fill.available_cores() if workers is None else workers):
            if progress is not None:
                progress(f"hashing {prepared.name}", done, len(kept))
        write_atomic(path, lambda file: np.save(file, kept))
    return np.array(kept["hash"]), np.asarray(kept["contrast"] >= _FLAT)


def similarity(one: Grey, two: Grey) -> Grey:
    """[n] cosine between the gradients of grey pictures [n, 32, 32], in [-1, 1]; 0 for one without any.

    1 for the same picture in other light, compression or size; at least 0.8 after a crop or shift by two hundredths. Edges
    lie elsewhere in another face, or in the same face a moment later.
    """
    a, b = _gradients(one), _gradients(two)
    length = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    found: Grey = np.divide((a * b).sum(1), length, out=np.zeros(len(a), np.float32), where=length > 0)
    return found


def _gradients(levels: Grey) -> Grey:
    down, across = np.diff(levels, axis=1)[:, :, :-1], np.diff(levels, axis=2)[:, :-1]
    return np.stack([down, across], axis=1).reshape(len(levels), 2 * (SIDE - 1) ** 2)


@dataclass(frozen=True)
class Pairs:
    """k pairs of rows, [k] each: of the first list, of the second, and the distance in bits. crowded: rows of the first whose
    partners are not all listed, for there are more than PARTNERS, or more of much the same hash than can be compared."""

    one: Rows
    two: Rows
    distance: NDArray[np.uint8]
    crowded: Rows

    def __len__(self) -> int:
        return len(self.one)


def search(
    one: Hashes,
    two: Hashes,
    radius: int,
    *,
    bands: int | None = None,
    workers: int = 1,
    tell: Callable[[int, int], None] | None = None,
) -> Pairs:
    """All pairs of hashes (one [n], two [m]) at most ``radius`` bits apart, but for ``Pairs.crowded``; equal hashes included.

    Equal hashes are searched once. ``tell`` hears how many are done, of how many.
    """
    queries, mine = np.unique(one, return_inverse=True)
    known, theirs = np.unique(two, return_inverse=True)
    if not len(queries) or not len(known) or radius < 0:
        nothing = np.zeros(0, np.int64)
        return Pairs(nothing, nothing, np.zeros(0, np.uint8), nothing)
    index, groups = _Index(known, radius, bands), _Groups(theirs, len(known))
    found: list[tuple[Rows, Rows, NDArray[np.uint8], Rows]] = []

    def work(start: int, stop: int) -> tuple[Rows, Rows, NDArray[np.uint8], Rows]:
        query, place, distance, cut = index.within(queries[start:stop])
        which, rows, more = groups.rows(place, PARTNERS)
        query, distance, cut = query[which], distance[which], np.union1d(cut, query[more])
        order = np.lexsort((rows, distance, query))
        query, rows, distance = query[order], rows[order], distance[order]
        rank = np.arange(len(query)) - np.searchsorted(query, query)
        near = rank < PARTNERS
        return query[near] + start, rows[near], distance[near], np.union1d(cut, query[~near]) + start

    for done, part in fill.in_chunks(work, len(queries), max(1, _PROBES // index.probes), workers):
        found.append(part)
        if tell is not None:
            tell(done, len(queries))
    query, rows, distance, cut = (np.concatenate([part[k] for part in found]) for k in range(4))
    own = _Groups(mine, len(queries))
    which, first, _ = own.rows(query, len(one))
    return Pairs(first, rows[which], distance[which], np.sort(own.rows(cut, len(one))[1]))


class _Groups:
    """Rows by their group's number: [n] numbers below ``count``."""

    def __init__(self, numbers: NDArray[Any], count: int) -> None:
        self.order = np.argsort(numbers, kind="stable")
        self.starts = np.searchsorted(numbers[self.order], np.arange(count + 1))

    def rows(self, wanted: Rows, most: int) -> tuple[Rows, Rows, NDArray[np.bool_]]:
        """Of groups [k]: [j] which of them, [j] its row, at most the first ``most`` of each; [k] whether there were more."""
        first, sizes = self.starts[wanted], self.starts[wanted + 1] - self.starts[wanted]
        sizes, more = np.minimum(sizes, most), sizes > most
        return np.repeat(np.arange(len(wanted)), sizes), self.order[_spread(first, sizes)], more


def _spread(first: NDArray[Any], count: NDArray[Any]) -> NDArray[Any]:
    """Ranges [k] written out one after another: ``first, first + 1, …, first + count - 1`` of each."""
    begin = (np.cumsum(count) - count).astype(first.dtype)
    places: NDArray[Any] = np.arange(count.sum(), dtype=first.dtype) + np.repeat(first - begin, count)
    return places


def _batches(count: NDArray[np.int32]) -> list[slice]:
    """Ranges of sizes [k], in order, so many at a time that about _AT_ONCE places are written out."""
    ends = np.cumsum(count, dtype=np.int64)
    stops = np.searchsorted(ends, np.arange(_AT_ONCE, ends.max(initial=0), _AT_ONCE)) + 1
    edges = np.unique([0, *stops.tolist(), len(count)]).tolist()
    return [slice(start, stop) for start, stop in pairwise(edges)]


class _Index:
    """Multi-index hashing (Norouzi et al., CVPR 2012): of m bands of the bits, two hashes within ``radius`` = m q + s agree up to q
    bits in one of the first s + 1, or up to q - 1 bits in one of the others. Each band is a table of buckets by its bits."""

    def __init__(self, known: Hashes, radius: int, bands: int | None = None) -> None:
        self.known, self.radius = known, radius
        self.bands = bands or max(3, round(BITS / np.log2(max(4, len(known)))))  # about one hash per bucket
        q, s = divmod(radius, self.bands)
        self.tables = [_Band(known, k, self.bands, q if k <= s else q - 1) for k in range(self.bands) if q or k <= s]
        self.probes = max(len(table.turned) for table in self.tables)

    def within(self, queries: Hashes) -> tuple[Rows, Rows, NDArray[np.uint8], Rows]:
        """(query, place in known, distance), each [k], sorted and without repeats; and the queries with too much to compare."""
        found, cut = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for table in self.tables:
            query, first, count, more = table.buckets(queries)
            cut.append(more)
            for part in _batches(count):
                place = _spread(first[part], count[part])
                near = np.flatnonzero(distances(np.repeat(queries[query[part]], count[part]), table.sorted[place]) <= self.radius)
                which = np.searchsorted(np.cumsum(count[part]), near, side="right")
                found.append(query[part][which] * len(self.known) + table.order[place[near]])
        query, place = np.divmod(np.unique(np.concatenate(found)), len(self.known))
        return query, place, distances(queries[query], self.known[place]), np.unique(np.concatenate(cut))


class _Band:
    """Every ``step``-th bit from ``start`` on: known hashes in the order of these bits, and where each value of them begins."""

    def __init__(self, known: Hashes, start: int, step: int, radius: int) -> None:
        self.start, self.step = start, step
        width = len(range(start, BITS, step))
        keys = self.keys(known)
        self.order = np.argsort(keys, kind="stable")
        self.sorted = known[self.order]
        self.starts = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=1 << width))]).astype(np.int32)
        turned = [sum(1 << bit for bit in bits) for n in range(radius + 1) for bits in combinations(range(width), n)]
        self.turned = np.array(turned, np.int32)

    def keys(self, values: Hashes) -> NDArray[np.int32]:
        bits = np.unpackbits(values.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
        bits = bits[:, self.start :: self.step]
        return bits.astype(np.int32) @ (1 << np.arange(bits.shape[1], dtype=np.int32))

    def buckets(self, queries: Hashes) -> tuple[Rows, NDArray[np.int32], NDArray[np.int32], Rows]:
        """Buckets that are not empty: (query, first place, size), each [k], nearest first; and queries that had to be cut short."""
        keys = self.keys(queries)[:, None] ^ self.turned[None]  # [queries, probes]
        first = self.starts[keys]
        count = self.starts[keys + 1] - first
        before = np.cumsum(count, axis=1, dtype=np.int32) - count
        kept = np.minimum(count, np.maximum(np.int32(_LOOKED_AT) - before, 0))
        at = np.flatnonzero(kept)
        more = np.flatnonzero((kept < count).any(axis=1))
        return at // len(self.turned), first.ravel()[at], kept.ravel()[at], more
