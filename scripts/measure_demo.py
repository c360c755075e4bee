"""Measure the demonstration's attack and its retraining, as tables in Markdown.

    .venv/bin/python scripts/measure_demo.py

They stand in docs/demo.md. All is measured on images that the classifiers have not learnt from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.demo.attack import SPREAD, Attack, carry_out, harmless
from masksearch_ray.demo.augment import Plan, Scope
from masksearch_ray.demo.data import Digits, Mark, load_digits_64, plant
from masksearch_ray.demo.models import Classifier, occlusion_saliency, train
from masksearch_ray.demo.retrain import Judgement, judge, retrain, try_plan
from masksearch_ray.render import METHODS, Augmentation, inside_boxes

STRENGTHS = (0.02, 0.05, 0.1, 0.15)
SEEDS = (0, 1)
SELECTED = 100
SCOPES: tuple[Scope, ...] = ("selected", "balanced", "all")
STRONG = (0.5, 1.0)

Truth = NDArray[np.bool_]


def main() -> None:
    """Print all tables."""
    clean, mark = load_digits_64(), Mark()
    for seed in SEEDS:
        print(f"## Attack, seed {seed}\n", *attack_table(clean, mark, seed), sep="\n", end="\n\n")
    for seed in SEEDS:
        print(f"## Retraining, seed {seed}\n", *training_table(clean, mark, seed), sep="\n")
        print()


def attack_table(clean: Digits, mark: Mark, seed: int) -> Iterator[str]:
    """Rows for each strength: accuracy, and how well attention tells the attacked apart."""
    model, digits = train(clean, seed), plant(clean, mark)
    head = "strength|right before|right after|AP, spread|precision of 100|lift of 100"
    yield f"|{head}|AP, strong|AP, noise as strong|\n|{'---|' * 8}"
    for epsilon in STRENGTHS:
        done = carry_out(model, digits, Attack(epsilon, seed=seed))
        masks = occlusion_saliency(model, done.images) / 255
        spread = ranked(count(masks, SPREAD), done.attacked)
        # Either way round, so as not to make the obvious range look worse than it is.
        strong = max(
            average_precision(ranked(way * count(masks, STRONG), done.attacked)) for way in (1, -1)
        )
        noisy = occlusion_saliency(model, harmless(digits.images[done.ids], epsilon, seed)) / 255
        mixed = np.where(done.attacked[:, None, None], noisy, masks)
        noise = average_precision(ranked(count(mixed, SPREAD), done.attacked))
        first = float(spread[:SELECTED].mean())
        shares = (done.before, done.after, average_precision(spread), first)
        told = "|".join(f"{share:.2f}" for share in shares)
        lift = first / done.attacked.mean()
        yield f"|{epsilon}|{told}|{lift:.1f}|{strong:.2f}|{noise:.2f}|"


def training_table(clean: Digits, mark: Mark, seed: int) -> Iterator[str]:
    """Rows for each method and scope: accuracy and attention after training with copies."""
    flawed = plant(clean, mark)
    model = train(flawed, seed)
    selected = by_attention_outside(model, flawed)[:SELECTED]
    head = "added|images|all, clean|all, marked|class, clean|class, marked|others, marked"
    yield f"|{head}|attention outside|\n|{'---|' * 8}"
    yield row("nothing: as found", 0, judge(model, clean, mark))
    again = retrain(flawed, None, seed + len(SEEDS))
    yield row("nothing: another seed", 0, judge(again, clean, mark))
    for method in METHODS:
        for scope in SCOPES:
            plan = Plan(Augmentation(method), scope)
            done = try_plan(model, clean, mark, selected, plan, seed)
            yield row(f"{method}, {scope}", done.added, done.after)


def row(name: str, added: int, found: Judgement) -> str:
    """A row of the table of trainings."""
    shares: Sequence[float] = (
        *(found.clean, found.marked, found.class_clean, found.class_marked),
        *(found.others_marked, found.outside),
    )
    return f"|{name}|{added:,}|" + "|".join(f"{100 * share:.0f} %" for share in shares) + "|"


def by_attention_outside(model: Classifier, digits: Digits) -> NDArray[np.int64]:
    """Images by their share of strong attention outside the digit, the largest first."""
    strong = occlusion_saliency(model, digits.images) >= 128
    shares = [
        (one & ~inside_boxes(one.shape, [box])).sum() / max(one.sum(), 1)
        for one, box in zip(strong, digits.boxes, strict=True)
    ]
    return np.argsort(-np.array(shares), kind="stable")


def count(masks: NDArray[np.float64], values: tuple[float, float]) -> NDArray[np.int64]:
    """Pixels of each mask in a range, its upper end included where it is 1."""
    low, high = values
    inside = (masks >= low) & ((masks < high) | (high == 1))
    return np.asarray(inside.sum(axis=(1, 2)), np.int64)


def ranked(scores: NDArray[np.int64], truth: Truth) -> Truth:
    """The truth in the order of falling scores, ties by place."""
    return truth[np.argsort(-scores, kind="stable")]


def average_precision(truth: Truth) -> float:
    """Mean of the precision at every hit."""
    return float((np.cumsum(truth) / np.arange(1, len(truth) + 1))[truth].mean())


if __name__ == "__main__":
    main()
