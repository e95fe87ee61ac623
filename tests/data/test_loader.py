"""A role's data and its batches: merging, gathering, prefetching, and what a batch must not depend on."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from fixtures_trees import folder_tree

from ferbench.builtin.readers import folder
from ferbench.data.augment import Augment
from ferbench.data.loader import Faces, Loader
from ferbench.data.prepared import open_set
from ferbench.data.views import Erase, Flip, Jitter, RandomCrop, RandomResizedCrop, Rotate, View
from ferbench.errors import DataError
from ferbench.flow import Batch
from ferbench.schema import LABEL_SPACES, Expression

SPACE = LABEL_SPACES["basic7"]
VIEW = View(24, 20, augment=(RandomCrop(), Flip()))


@dataclass
class InMemory:
    """A prepared set that lies in arrays; the protocol is all that Faces may use."""

    name: str
    n: int
    seed: int
    labels: tuple[Expression | None, ...]
    factor_classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    with_parsing: bool = True

    def __post_init__(self) -> None:
        random = np.random.default_rng(self.seed)
        self._pixels = random.integers(0, 256, (self.n, 24, 24, 3), dtype=np.uint8)
        self._parsing = self._pixels[..., 0] % 19  # so that a map can be found in its picture again
        self.affect = random.uniform(-1, 1, (self.n, 2)).astype(np.float32)
        self.affect[::5] = np.nan
        self.readable = np.ones(self.n, bool)
        self._pixels.flags.writeable = False  # as a memory map
        self.ids = [f"{self.name}-{i}" for i in range(self.n)]

    def pixels(self, side):
        assert side == 24
        return self._pixels

    def parsing(self, side):
        return self._parsing if self.with_parsing else None

    def rows(self, split):
        return {"train": np.arange(0, self.n, 2), "test": np.arange(1, self.n, 2)}.get(split, np.arange(0))

    def expressions(self, space):
        return np.array([space.index(self.labels[i % len(self.labels)]) for i in range(self.n)])

    def factor(self, name):
        return np.arange(self.n) % (len(self.factor_classes[name]) + 1) - 1


LAB = InMemory("lab", 60, 0, tuple(Expression)[:7], {"gender": ("woman", "man"), "identity": ("1", "2", "3")})
WILD = InMemory(
    "wild", 90, 1, tuple(Expression)[:9], {"age": ("young", "old"), "gender": ("man", "woman", "unsure"), "identity": ("1",)}
)


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Faces.from_sets([LAB, WILD], "train", SPACE, VIEW, maps=["parsing"])


def same(a: Batch, b: Batch) -> bool:
    fields = [(x.inputs.images, x.inputs.views["parsing"], x.expression, x.domain, x.affect.nan_to_num(9), x.row) for x in (a, b)]
    return all(map(torch.equal, *fields)) and all(torch.equal(a.factors[name], b.factors[name]) for name in a.factors)


def test_sets_are_merged_row_by_row_with_vocabularies_by_name(faces):
    assert faces.names == ("lab", "wild")
    assert faces.factor_classes == {
        "gender": ("woman", "man", "unsure"),
        "identity": ("lab:1", "lab:2", "lab:3", "wild:1"),
        "age": ("young", "old"),
    }
    sets = {"lab": LAB, "wild": WILD}
    for row, ident in enumerate(faces.ids):
        name, i = ident.split("-")
        one, i = sets[name], int(i)
        assert faces.names[faces.domain[row]] == name
        assert SPACE.classes[faces.expression[row]] == one.labels[i % len(one.labels)]
        np.testing.assert_array_equal(faces.affect[row], one.affect[i])
        for factor, classes in faces.factor_classes.items():
            code = one.factor(factor)[i] if factor in one.factor_classes else -1
            own = one.factor_classes[factor][code] if code >= 0 else None
            expected = f"{name}:{own}" if own and factor == "identity" else own
            assert (classes[faces.factors[factor][row]] if faces.factors[factor][row] >= 0 else None) == expected


def test_faces_outside_the_label_space_are_dropped_and_counted_or_kept_unlabelled(faces):
    outside = (WILD.expressions(SPACE)[WILD.rows("train")] < 0).sum()
    assert outside > 0 and faces.dropped == outside and (faces.expression >= 0).all()
    kept = Faces.from_sets([LAB, WILD], "train", SPACE, VIEW, unlabelled=True)
    assert kept.dropped == 0 and len(kept) == len(faces) + outside and (kept.expression < 0).sum() == outside


def test_faces_without_a_picture_are_left_out_and_counted():
    torn = InMemory("torn", 10, 0, LAB.labels)
    torn.readable[[2, 3, 4]] = False
    faces = Faces.from_sets([torn], "train", SPACE, VIEW)
    assert faces.ids == ("torn-0", "torn-6", "torn-8") and faces.unreadable == 2 and faces.dropped == 0


def test_a_prepared_set_on_disk_gives_its_faces(home, tmp_path):
    root = folder_tree(tmp_path / "faces", splits=("train", "test"))
    opened = open_set(f"folder:{root}", {spec.name: spec for spec in folder.SPECS})
    faces = Faces.from_sets([opened], "train", SPACE, VIEW)
    assert len(faces) == 18 and len(set(faces.expression)) > 1
    for batch in Loader(faces, VIEW, 4, seed=0, prefetch=2).epoch(0):
        rows = batch.row.numpy()
        for row, image in zip(rows, Augment(VIEW, 0, "cpu").train(faces.pictures(rows), batch.row, 0), strict=True):
            assert faces.ids[row].startswith("train/") and torch.equal(image, batch.inputs.images[rows.tolist().index(row)])
            assert opened.expressions(SPACE)[opened.ids.index(faces.ids[row])] == faces.expression[row]


def test_one_domain_and_several_splits():
    merged = Faces.from_sets([LAB, WILD], ("train", "test"), SPACE, VIEW, domains=False)
    assert set(merged.domain) == {0} and len(merged) + merged.dropped == 150
    assert Faces.from_sets([LAB], "train", SPACE, VIEW).factor_classes["identity"] == ("1", "2", "3")


def test_nothing_left_and_missing_maps_are_errors_that_name_the_set():
    with pytest.raises(DataError, match=r"lab: no face .* split val"):
        Faces.from_sets([LAB], "val", SPACE, VIEW)
    with pytest.raises(DataError, match="bare: no parsing maps"):
        Faces.from_sets([InMemory("bare", 4, 0, LAB.labels, with_parsing=False)], "train", SPACE, VIEW, maps=["parsing"])


@pytest.mark.parametrize("sets", [[LAB], [LAB, WILD]])
def test_gather_gives_the_pixels_of_each_row_in_order(sets):
    faces = Faces.from_sets(sets, "train", SPACE, VIEW, maps=["parsing"])
    rows = np.random.default_rng(0).permutation(len(faces))[:17]
    by_name = {one.name: one for one in sets}
    expected = [by_name[name]._pixels[int(i)] for name, i in (faces.ids[row].split("-") for row in rows)]
    np.testing.assert_array_equal(faces.gather(rows), expected)
    buffer = np.zeros((32, 24, 24, 3), np.uint8)
    assert np.shares_memory(faces.gather(rows, out=buffer), buffer)
    np.testing.assert_array_equal(buffer[:17], expected)
    np.testing.assert_array_equal(faces.pictures(rows), expected)
    np.testing.assert_array_equal(faces.gather(rows, of="parsing"), np.asarray(expected)[..., 0] % 19)
    assert np.shares_memory(faces.pictures(rows)[0], by_name[faces.ids[rows[0]].split("-")[0]]._pixels)
    assert torch.equal(faces.resident(torch.device("cpu"), piece=7), torch.from_numpy(faces.gather(np.arange(len(faces)))))


def test_a_batch_carries_the_labels_of_its_rows(faces):
    for batch in Loader(faces, VIEW, 16, seed=0).epoch(0):
        rows = batch.row.numpy()
        assert len(batch) == len(batch.inputs) == 16 and batch.inputs.images.shape == (16, 3, 20, 20)
        np.testing.assert_array_equal(batch.expression, faces.expression[rows])
        np.testing.assert_array_equal(batch.domain, faces.domain[rows])
        np.testing.assert_array_equal(batch.affect, faces.affect[rows])
        assert batch.affect.dtype == torch.float32 and batch.expression.dtype == torch.int64
        assert batch.factors.keys() == faces.factors.keys()
        for name, values in batch.factors.items():
            np.testing.assert_array_equal(values, faces.factors[name][rows])


@pytest.mark.parametrize("change", [dict(prefetch=1), dict(prefetch=3), dict(resident=True), dict(resident=True, prefetch=2)])
def test_batches_do_not_depend_on_prefetching_or_where_pixels_lie(faces, change):
    plain, other = Loader(faces, VIEW, 16, seed=0), Loader(faces, VIEW, 16, seed=0, **change)
    for epoch in range(2):
        pairs = list(zip(plain.epoch(epoch), other.epoch(epoch), strict=True))
        assert len(pairs) == plain.steps and all(same(a, b) for a, b in pairs)


def test_a_sample_looks_the_same_alone_and_in_any_batch_rank_or_batch_size(faces):
    view = View(24, 20, augment=(RandomResizedCrop(), Rotate(), Jitter(), Flip(), Erase()))
    seen = {}
    for batch, world in [(32, 1), (32, 2), (20, 4), (1, 1)]:
        for rank in range(world):
            for one in Loader(faces, view, batch, seed=3, rank=rank, world=world).epoch(5):
                for row, image in zip(one.row.tolist(), one.inputs.images, strict=True):
                    assert torch.equal(seen.setdefault(row, image), image)
    assert len(seen) == len(faces)


def test_resuming_in_an_epoch_gives_the_batches_that_were_left(faces):
    whole = list(Loader(faces, VIEW, 16, seed=0, prefetch=2).epoch(1))
    rest = list(Loader(faces, VIEW, 16, seed=0, prefetch=2).epoch(1, start=2))
    assert len(rest) == len(whole) - 2 and all(map(same, whole[2:], rest))


def test_epochs_and_seeds_differ(faces):
    first, second = (torch.cat([b.row for b in Loader(faces, VIEW, 16, seed=0).epoch(e)]) for e in (0, 1))
    assert not torch.equal(first, second)
    images = {}
    for seed, epoch in [(0, 0), (0, 1), (1, 0)]:
        (batch,) = Loader(faces, VIEW, 10_000, seed=seed).epoch(epoch)
        images[seed, epoch] = batch.inputs.images[batch.row.argsort()]
    assert (images[0, 0] != images[0, 1]).flatten(1).any(1).float().mean() > 0.9
    assert (images[0, 0] != images[1, 0]).flatten(1).any(1).float().mean() > 0.9


def test_maps_follow_their_picture_pixel_by_pixel(faces):
    for batch in Loader(faces, View(24, 20, "none", (RandomCrop(), Flip())), 16, seed=0).epoch(0):
        red = (batch.inputs.images[:, 0] * 255).round().long()
        assert torch.equal(batch.inputs.views["parsing"], red % 19)


@pytest.mark.parametrize("prefetch", [0, 2])
def test_test_batches_show_every_row_once_in_order_as_the_centre_crop(faces, prefetch):
    parts = list(Loader(faces, View(24, 20, "none"), 16, seed=0, prefetch=prefetch).test_batches(batch=25))
    assert [len(rows) for _, rows in parts] == [25, 25, 15]
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in parts]), np.arange(len(faces)))
    images = torch.cat([inputs.images for inputs, _ in parts])
    centre = torch.from_numpy(faces.gather(np.arange(len(faces)))[:, 2:22, 2:22]).permute(0, 3, 1, 2)
    torch.testing.assert_close(images * 255, centre.float())
    parsing = torch.cat([inputs.views["parsing"] for inputs, _ in parts])
    assert torch.equal(parsing, centre[:, 0].long() % 19)
    chosen = np.array([5, 3, 60])
    ((inputs, rows),) = Loader(faces, View(24, 20, "none"), 16, seed=0).test_batches(chosen)
    assert rows.tolist() == [5, 3, 60] and torch.equal(inputs.images, images[chosen])


def test_oversampling_reaches_the_loader(faces):
    rare = Faces.from_sets([InMemory("rare", 400, 0, (*[Expression.HAPPINESS] * 19, Expression.FEAR))], "test", SPACE, VIEW)
    share = [(rare.expression == rare.expression.min()).mean()]
    for oversample in (False, True):
        seen = torch.cat([b.expression for b in Loader(rare, VIEW, 10, seed=0, oversample=oversample).epoch(0)])
        share.append((seen == seen.min()).float().mean().item())
    assert share[0] == pytest.approx(0.1) == share[1] and abs(share[2] - 0.5) < 0.1


def threads() -> int:
    return sum(thread.name == "ferbench-loader" for thread in threading.enumerate())


def test_breaking_off_stops_the_thread_that_works_ahead(faces):
    batches = Loader(faces, VIEW, 4, seed=0, prefetch=3).epoch(0)
    next(batches)
    assert threads() == 1
    batches.close()
    assert threads() == 0
    for _ in Loader(faces, VIEW, 4, seed=0, prefetch=3).epoch(0):
        break
    del batches
    assert threads() == 0


def test_it_works_at_most_so_many_batches_ahead(faces):
    loader, made = Loader(faces, VIEW, 2, seed=0, prefetch=2), []
    work = loader._batch
    loader._batch = lambda rows, epoch: made.append(1) or work(rows, epoch)
    batches = loader.epoch(0)
    next(batches)
    time.sleep(0.3)
    assert 2 <= len(made) <= 4  # one taken, two waiting, one that found no room yet
    batches.close()


def test_an_error_in_the_thread_is_raised_where_batches_are_taken(faces):
    loader = Loader(faces, VIEW, 4, seed=0, prefetch=2)
    work = loader._batch

    def fail(rows, epoch):
        if next(calls) == 3:
            raise OSError("the disk went away")
        return work(rows, epoch)

    calls = iter(range(100))
    loader._batch = fail
    seen = []
    with pytest.raises(OSError, match="the disk went away"):
        for batch in loader.epoch(0):
            seen.append(batch)
    assert len(seen) == 3 and threads() == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: compares its batches with the CPU's")
@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("prefetch", [0, 3])
def test_batches_on_cuda_equal_those_on_the_cpu(faces, resident, prefetch):
    here = Loader(faces, VIEW, 16, seed=0).epoch(0)
    there = Loader(faces, VIEW, 16, seed=0, device="cuda", resident=resident, prefetch=prefetch).epoch(0)
    for a, b in zip(here, there, strict=True):
        torch.testing.assert_close(b.inputs.images.cpu(), a.inputs.images)
        assert torch.equal(b.row.cpu(), a.row) and torch.equal(b.expression.cpu(), a.expression)


def test_copies_follow_the_faces_with_their_labels_and_a_domain_of_their_own() -> None:
    from ferbench.data.views import Blur, Copy

    blur = Copy((Blur(kernel=5, sigma=(1.0, 1.0)),), when="single-source")
    view = replace(VIEW, copies=(blur,))
    faces = Faces.from_sets([LAB], "train", SPACE, view)
    plain, copied = Loader(faces, VIEW, 4, seed=7), Loader(faces, view, 4, seed=7)
    one, two = next(plain.epoch(0)), next(copied.epoch(0))
    n = len(one)
    assert len(two) == 2 * n and torch.equal(two.inputs.images[:n], one.inputs.images)
    assert two.domain.tolist() == [0] * n + [1] * n and two.row.tolist() == one.row.tolist() * 2
    assert torch.equal(two.expression, one.expression.repeat(2))
    there = two.inputs.images[:n]  # blurring is linear, so it may as well be done after the normalisation
    taps = torch.exp(-0.5 * torch.arange(-2.0, 3) ** 2)
    kernel = (taps / taps.sum()).outer(taps / taps.sum()).expand(3, 1, 5, 5)
    naive = torch.nn.functional.conv2d(torch.nn.functional.pad(there, [2] * 4, mode="reflect"), kernel, groups=3)
    torch.testing.assert_close(two.inputs.images[n:], naive, rtol=1e-4, atol=1e-4)
    assert copied.looks is None and next(copied.test_batches())[0].images.shape[0] == len(faces)


def test_a_copy_for_a_single_source_is_not_made_where_there_are_two() -> None:
    from ferbench.data.views import Copy

    view = replace(VIEW, copies=(Copy(when="single-source"),))
    assert (len(view.copies_of(1)), len(view.copies_of(2))) == (1, 0)
    faces = Faces.from_sets([LAB, WILD], "train", SPACE, view)
    assert len(next(Loader(faces, view, 4, seed=0).epoch(0))) == 4


def test_a_mirrored_copy_is_the_picture_as_it_was_shown_and_its_map_goes_along() -> None:
    from ferbench.data.views import Copy, Erase, Flip

    view = replace(VIEW, augment=(*VIEW.augment, Erase(p=1.0)), copies=(Copy((Flip(p=1.0),)),))
    loader = Loader(Faces.from_sets([LAB, WILD], "train", SPACE, view, maps=["parsing"]), view, 4, seed=7, channels_last=True)
    batch = next(loader.epoch(0))
    assert batch.copies == 1 and len(batch) == 8
    for picture in (batch.inputs.images, batch.inputs.views["parsing"]):
        assert torch.equal(picture[4:], picture[:4].flip(-1)) and not torch.equal(picture[4:], picture[:4])
    assert (batch.inputs.images == 0).flatten(1).any(1).all()  # what was erased before is erased in both
    assert torch.equal(batch.inputs.domain, batch.domain)
    assert next(loader.test_batches())[0].domain is None


def test_a_loader_says_which_faces_it_has_and_under_which_labels(faces) -> None:
    one, same = Loader(faces, VIEW, 4, seed=0), Loader(faces, VIEW, 8, seed=1)
    assert one.identity == same.identity and one.expression.tolist() == faces.expression.tolist()
    others = [replace(faces, ids=tuple(f"{i}x" for i in faces.ids)), replace(faces, expression=faces.expression[::-1])]
    assert one.identity not in {Loader(other, VIEW, 4, seed=0).identity for other in others}
