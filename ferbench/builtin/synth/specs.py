"""The synthetic sets that the suite ships. Importing this draws nothing and imports no torch."""

from __future__ import annotations

from functools import partial

from ferbench.builtin.synth.config import SynthConfig
from ferbench.builtin.synth.profiles import PROFILES
from ferbench.data.reader import Reader
from ferbench.schema import FACTORS, DatasetSpec, Expression


def _reader(profile: str, config: SynthConfig | None = None) -> Reader:
    from ferbench.builtin.synth.reader import SynthReader

    return SynthReader(profile, config)


SPECS: tuple[DatasetSpec, ...] = tuple(
    DatasetSpec(
        name=profile.name,
        build=partial(_reader, profile.name),
        config=SynthConfig,
        summary=f"Drawn faces: {profile.summary}.",
        kind="synthetic",
        family="synth",
        licence="Apache-2.0, as the rest of ferbench; shows no real person",
        access="nothing to get: drawn on this machine, offline",
        layout="none",
        factors=FACTORS,
        evaluated="test" if profile.sizes[2] else "val",
        certainty="A",
        classes=tuple(Expression)[:8],
        framewise=True,
        auxiliary=profile.shared or profile.frames > 0,  # such a set is a target only where it is named
    )
    for profile in PROFILES.values()
)
