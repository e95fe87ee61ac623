"""``ferbench export RUN FILE``: a trained stage's weights in the layout that other code reads."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export", short_help="A stage's weights in the public MAE layout.")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option("--stage", default="pretrain", show_default=True, help="The stage whose weights are written.")
def command(run: Path, file: Path, stage: str) -> None:
    """Write the weights of a stage of RUN (a run's folder) to FILE, a .safetensors file in the public MAE layout: the encoder, and the
    decoder where the stage has head pixels. --weights FILE reads it back, and so does code that knows MAE's keys."""
    from safetensors.torch import save_file

    from ferbench.builtin.mae_layout import public
    from ferbench.errors import FerbenchError, UnknownName
    from ferbench.home import artifact_home
    from ferbench.results.record import read_record
    from ferbench.train.artifacts import ArtifactStore

    if file.suffix != ".safetensors":
        raise FerbenchError(f"{file.name} does not end in .safetensors, the one kind that is read back", where="FILE")
    record = read_record(run / "record.json" if run.is_dir() else run)
    keys = {one.name: one.artifact for one in record.stages}
    if stage not in keys:
        raise UnknownName("stage", stage, keys, where=str(run))
    state = public(ArtifactStore(artifact_home()).weights(keys[stage]))
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)
    click.echo(f"{file}: {len(state)} tensors of stage {stage}, in the public MAE layout")
