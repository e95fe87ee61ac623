"""Random token masking: the smallest useful ferbench plugin. No torch here."""

from dataclasses import dataclass

from ferbench import Spec, hookimpl


@dataclass(frozen=True)
class RandomConfig:
    """ratio: the share of the tokens that the encoder does not see in training."""

    ratio: float = 0.5


def build(config, site):
    from ferbench_example.masking import RandomTokens

    return RandomTokens(config)


@hookimpl
def ferbench_maskings():
    return [Spec("example.random", build, RandomConfig, "hides a random share of the tokens in training")]
