"""What a fresh plugin of each kind says of itself: the words that its README, its recipe and its summary share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_RUN = "ferbench run --method {name} --source synth-wild --preset quick"


@dataclass(frozen=True)
class Kind:
    """about: what the scaffold is, in half a sentence. rows: (in the paper or the owner's folder, here). run: what uses it."""

    about: str
    rows: tuple[tuple[str, str], ...]
    run: str = _RUN


KINDS: Mapping[str, Kind] = {
    "method": Kind(
        "random token masking, and a head of one prototype per expression",
        (
            ("[equation]: a random share of the tokens stays unseen in training", "`masking.RandomTokens`"),
            ("[equation]: logits = scale · cos(f, prototype)", "`head.Prototypes`"),
            ("[equation]: L_CE", "`losses.cross_entropy`, as `ce`"),
            ("[equation]: mean squared cosine of two prototypes", "`losses.spread`, as `spread`"),
        ),
    ),
    "dataset": Kind(
        "faces in a folder with a table of labels",
        (
            ("labels.csv: image, expression, subject, split", "`reader.TableReader`"),
            ("codes 0 … 6 of the expressions", "`reader.CODES`"),
            ("pictures, by the paths in the table", "read by ferbench"),
        ),
        "ferbench run --method erm --source {name}",
    ),
    "backbone": Kind(
        "a small convolutional net",
        (("[table]: four convolutions of stride 2, each twice as wide", "`backbone.SmallConvNet`"),),
    ),
    "masking": Kind(
        "a learnt gate over the channels of the pooled feature",
        (
            ("[equation]: g = σ(W2 relu(W1 x)), x' = g ⊙ x", "`masking.ChannelGate`"),
            ("[equation]: mean of g", "`losses.sparsity`, as `sparsity`"),
        ),
    ),
    "disentangler": Kind(
        "a split into an expression part and a disturbance part",
        (
            ("[equation]: f^e = W_e x, f^d = W_d x", "`disentangler.Split`"),
            ("[equation]: mean squared correlation of f^e and f^d", "`losses.decorrelation`, as `decorrelation`"),
            ("[equation]: x rebuilt from both", "`losses.reconstruction`, as `reconstruction`"),
        ),
    ),
    "head": Kind(
        "a linear head with label smoothing",
        (
            ("[equation]: logits = W f^e + b", "`head.SmoothedHead`"),
            ("[equation]: cross-entropy against smoothed labels", "`losses.smoothed_cross_entropy`, as `ce`"),
        ),
    ),
}
