"""Each baseline learns 64 faces by heart, and goes on from a checkpoint with the same bits; what cannot be trained is told in one line."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ferbench import LABEL_SPACES, AssemblyRefused, DataError, FerbenchError, Progress, RecipeError, Site, WeightsError
from ferbench.data.loader import Loader
from ferbench.errors import Interrupted
from ferbench.method.compose import assemble
from ferbench.recipe import resolve
from ferbench.train.rehearsal import made_up, rehearse

sys.path.insert(0, str(Path(__file__).parent))
from helpers_baselines import METHODS, faces, registry, run, small_method, small_stage

BY_HEART = {
    "scn": ("head.relabel_from=0",), "icid": ("head.dropout=0", "epochs=40"), "apvit": ("epochs=8",),
    "sada": ("epochs=12", "head.views=1", "head.attack_from=10"),
    "pden": ("epochs=16", "head.domains=2", "head.learning=0.3", "optimiser.lr=6e-3"),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_it_learns_64_faces_by_heart(name: str, tmp_path: Path) -> None:
    stage = small_stage(name, "epochs=20", "batch=16", *BY_HEART.get(name, ()))
    method, data = small_method(stage), faces()
    run(method, stage, data, tmp_path)
    method.eval()
    loader = Loader(data, stage.view, 64, 0, channels_last=True)
    with torch.no_grad():
        right = sum(
            int((method(inputs).predictions["expression"].argmax(1) == torch.from_numpy(data.expression[rows])).sum())
            for inputs, rows in loader.test_batches()
        )
    assert right >= 61, f"{right} of 64"


RESUMED = {
    "scn": ("head.relabel_from=2", "head.relabel_margin=0.0"),
    "dacl": (),
    "rul": (),
    "eac": (),
    "mixstyle": ("disentangler.p=1.0",),
    "sada": ("head.attack_from=2", "head.views=1"),
    "pden": ("optimiser.accumulate=3",),  # asked to stop within a step, it ends that first
}


@pytest.mark.parametrize("name", RESUMED)
def test_it_goes_on_from_a_checkpoint_with_the_same_bits(name: str, tmp_path: Path) -> None:
    stage = small_stage(name, "epochs=4", "batch=16", *RESUMED[name])
    whole, stopped, again = small_method(stage), small_method(stage), small_method(stage)
    calm = run(whole, stage, faces(), tmp_path / "calm")
    with pytest.raises(Interrupted):
        run(stopped, stage, faces(), tmp_path / "cut", after=9)  # within the third epoch
    resumed = run(again, stage, faces(), tmp_path / "cut")
    assert resumed.weights == calm.weights and resumed.history == calm.history
    for (one, a), (two, b) in zip(whole.named_buffers(), again.named_buffers(), strict=True):
        assert one == two and torch.equal(a, b), one
    if name == "scn":  # something was relabelled before the stop, or this shows nothing
        table: Any = stopped.head.labels  # type: ignore[union-attr]
        assert (table.now != torch.from_numpy(faces().expression)).any()
    if name == "sada":  # looked at in the second epoch, before the stop
        assert again.head.sensitivity.any()  # type: ignore[union-attr,operator]
    if name == "dacl":
        centres: Any = stopped.disentangler.centres
        assert not torch.equal(centres, small_method(stage).disentangler.centres)  # type: ignore[arg-type]


def test_what_training_alone_needs_is_not_deployed() -> None:
    for name in ("scn", "dacl", "sada"):
        method = small_method(small_stage(name))
        method.start(torch.zeros(9, dtype=torch.long))
        assert not [
            key for key in method.state_dict() if any(word in key for word in ("now", "centres", "sensitivity", "teacher"))
        ]


def test_labels_changed_by_scn_hold_from_then_on_and_not_before_its_epoch(tmp_path: Path) -> None:
    stage = small_stage("scn", "epochs=2", "batch=16", "head.relabel_from=2", "head.relabel_margin=0.0")
    method: Any = small_method(stage)
    data = faces()
    method.start(torch.from_numpy(data.expression))
    batch = next(Loader(data, stage.view, 16, 3, channels_last=True).epoch(0))
    output = method(batch.inputs)
    method.after_step(output, batch, Progress(0, 0, 0.0))
    assert torch.equal(method.head.labels.of(batch), batch.expression)
    before = method.losses(output, batch, Progress(1, 0, 0.5))["ce"]
    method.after_step(output, batch, Progress(1, 0, 0.5))
    predicted = output.predictions["expression"].argmax(1)
    assert torch.equal(method.head.labels.of(batch), predicted) and (predicted != batch.expression).any()
    after = method.losses(output, batch, Progress(1, 1, 0.5))["ce"]
    torch.testing.assert_close(after, torch.nn.functional.cross_entropy(output.predictions["expression"], predicted))
    assert after < before


def test_relabelling_of_other_data_is_refused_on_resume(tmp_path: Path) -> None:
    stage = small_stage("scn", "epochs=4", "batch=16", "head.relabel_from=1")
    with pytest.raises(Interrupted):
        run(small_method(stage), stage, faces(), tmp_path, after=5)
    other = faces(names=("other",))  # as many faces, with the same labels in the same order
    with pytest.raises(
        DataError, match=r"checkpoint.pt: this checkpoint, .*, is of other training data. Go on with the data"
    ) as refused:
        run(small_method(stage), stage, other, tmp_path)
    assert "\n" not in refused.value.line()
    run(small_method(stage), stage, faces(), tmp_path)


def test_mixing_across_domains_takes_styles_of_the_other_source() -> None:
    stage = small_stage("mixstyle", 'disentangler.pairing="cross-domain"', "disentangler.p=1.0", "batch=16")
    with pytest.raises(AssemblyRefused, match="takes styles from another source, and there is one"):
        small_method(stage)
    method, data = small_method(stage, domains=2).train(), faces(names=("one", "two"))
    batch = next(Loader(data, stage.view, 16, 3, channels_last=True).epoch(0))
    assert torch.equal(batch.inputs.domain, batch.domain) and set(batch.domain.tolist()) == {0, 1}  # type: ignore[arg-type]
    mixed = method(batch.inputs).predictions["expression"]
    nowhere = replace(batch.inputs, domain=torch.zeros_like(batch.domain))  # all of one source: nobody to take a style from
    method.disentangler.config = replace(method.disentangler.config, p=1e-9)  # type: ignore[arg-type,type-var]
    plain = method(batch.inputs).predictions["expression"]
    method.disentangler.config = replace(method.disentangler.config, p=1.0)  # type: ignore[arg-type,type-var]
    torch.testing.assert_close(method(nowhere).predictions["expression"], plain, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(mixed, plain, atol=1e-2)
    with pytest.raises(AssemblyRefused, match="does not say whose its pictures are"):
        method(replace(batch.inputs, domain=None))
    loader = Loader(data, stage.view, 16, 3)
    assert next(iter(loader.test_batches()))[0].domain is None


def test_eac_erases_before_it_mirrors_and_teaches_expressions_by_the_faces_alone() -> None:
    stage = small_stage("eac", 'view.augment=[{op="erase", p=1.0, scale=[0.2, 0.3]}]', "batch=16")
    method: Any = small_method(stage, domains=2).train()
    batch = next(Loader(faces(), stage.view, 16, 3, channels_last=True).epoch(0))
    one, two = batch.inputs.images[:16], batch.inputs.images[16:]
    assert batch.copies == 1 and torch.equal(two, one.flip(3)) and (one == 0).flatten(1).any(1).all()
    output = method(batch.inputs)
    terms = method.losses(output, batch, Progress(0, 0, 0.0))
    logits, level = output.predictions["expression"], output.features.levels[-1]
    torch.testing.assert_close(terms["ce"], torch.nn.functional.cross_entropy(logits[:16], batch.expression[:16]))
    maps = torch.stack([(method.head.fc.weight[c].detach()[None, :, None, None] * level).sum(1) for c in range(7)], 1)
    torch.testing.assert_close(terms["consistency"], (maps[:16] - maps[16:].flip(3)).square().mean(), rtol=1e-4, atol=1e-6)
    assert torch.autograd.grad(terms["consistency"], method.head.fc.weight, allow_unused=True)[0] is None


# ------------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("scn", "ranks 0.7 of a batch above the rest"), ("rul", "mixes two faces"), ("mixstyle", "mixes two styles"),
        ("icid", "compares a face with the next"), ("pden", "tells a face from another"), ("dacl", "normalises its attention over a batch"),
    ],
)  # fmt: skip
def test_a_batch_of_one_is_too_small_and_told_the_least_size(name: str, why: str) -> None:
    stage = small_stage(name, *(("disentangler.p=1.0",) if name == "mixstyle" else ()))
    method = small_method(stage).train()
    batch = made_up(method.site, 1)
    with pytest.raises(RecipeError, match=f"batch: .*{why}, and a batch of 1 is too small. Set batch to 2 or more"):
        batch = method.painted(batch, Progress(0, 0, 0.0))
        method.losses(method(batch.inputs), batch, Progress(0, 0, 0.0))


def test_a_batch_that_is_too_small_is_told_before_training_and_one_that_is_not_is_rehearsed() -> None:
    for batch, told in ((16, ""), (4, "Set batch to 5 or more")):
        stage = small_stage("scn", "head.share=0.2", f"batch={batch}")  # of five faces the first is ranked high
        try:
            rehearse(small_method(stage), stage)
        except RecipeError as refused:
            assert told and told in refused.line()
        else:
            assert not told


@pytest.mark.parametrize("name", ["rul", "eac", "dacl", "mixstyle", "snr", "mla"])
def test_a_backbone_without_levels_is_refused(name: str) -> None:
    with pytest.raises(FerbenchError, match=r"needs levels|act.* behind level|attends to several levels|weighs the 8 numbers"):
        small_method(small_stage(name, backbone="t.flat"), domains=2)


@pytest.mark.parametrize("name", ["mixstyle", "snr"])
def test_a_level_that_the_backbone_does_not_have_or_of_one_pixel_is_refused_by_number(name: str) -> None:
    with pytest.raises(AssemblyRefused, match="acts behind level 7, and the backbone has levels 0 to 4"):
        small_method(small_stage(name, "disentangler.levels=[1, 7]"))
    with pytest.raises(AssemblyRefused, match=r"needs 2 pixels at level 4, which has 1 × 1. Show larger pictures"):
        small_method(small_stage(name, "disentangler.levels=[1, 4]", size=8))


def test_a_head_that_compares_copies_needs_a_view_that_makes_them() -> None:
    with pytest.raises(
        AssemblyRefused, match=r"head baselines.consistent compares each face with a copy of it, and the view makes none"
    ):
        small_method(small_stage("eac", "view.copies=[]"))
    with pytest.raises(RecipeError, match="a copy changes colours, or is mirrored whole, and 'erase' does neither"):
        Loader(faces(), small_stage("eac", 'view.copies=[{augment=["erase"]}]').view, 16, 0)


@pytest.mark.parametrize(
    ("weights", "told"),
    [("/nowhere/faces.safetensors", "faces.safetensors"), ("/nowhere/faces.pth", "faces.pth")],
)  # fmt: skip
def test_weights_that_are_not_there_are_named(weights: str, told: str) -> None:
    file = registry().recipe("apvit")
    stage = resolve(
        file.raw, registry(), where="apvit", preset="quick", settings=[f"backbone.weights={weights}", "view.resize=64"]
    ).deployed
    with pytest.raises(WeightsError, match=told) as refused:
        assemble(stage, Site(LABEL_SPACES["basic7"], 64), registry())
    assert "\n" not in refused.value.line()


@pytest.mark.parametrize(
    ("name", "setting", "told"),
    [
        ("scn", "head.share=1.0", "share is 1.0; above 0, and below 1"), ("rul", "disentangler.dropout=1.0", "dropout is 1.0"),
        ("lpl", "head.neighbours=0", "neighbours is 0; at least 1"), ("mixstyle", "disentangler.alpha=0", "alpha is 0"),
        ("mixstyle", "disentangler.p=0", "p is 0"), ("snr", "disentangler.levels=[]", "levels is empty"),
        ("dacl", "disentangler.hidden=[0]", "hidden is"), ("apvit", "backbone.keep=0", "keep is 0"),
        ("sada", "sada.head.views=0", "views is 0; at least 1"), ("sada", "sada.head.rate=0", "rate is 0"),
        ("pden", "pden.head.domains=0", "domains is 0; at least 1"), ("pden", "pden.head.learning=1.5", "learning is 1.5; above 0"),
        ("apvit", "backbone.pooled_blocks=9", "pooled_blocks is 9"), ("mla", "disentangler.width=30", "width 30 with 4 heads"),
    ],
)  # fmt: skip
def test_an_option_out_of_its_range_is_told(name: str, setting: str, told: str) -> None:
    file = registry().recipe(name)
    with pytest.raises(RecipeError, match=told):
        resolve(file.raw, registry(), where=name, preset="quick", settings=[setting])
