"""Ensembles: the mean of several models' predictions."""

from collections.abc import Sequence

from ..arguments import items, shown
from ..errors import ArgumentError, ArgumentTypeError, require
from ..layers import Average, Input
from ..structure import flat
from .model import Model
from .stack import LayerStack


def ensemble(models: Sequence[LayerStack], name: str | None = None) -> Model:
    """A Model whose output is the mean of the models' outputs: (N, classes) probabilities, of the same images.

    models  at least two built ones with one input and one output of the same shapes, each with a name of its own; they
            become layers of it, and share their weights with it
    It predicts, evaluates, is saved, loaded and exported as any Model. Where the first model is compiled, so is the
    ensemble, with the same loss and metrics; to train it on would train all of them.

        both = minicnn.ensemble([minicnn.load_model("a.minicnn"), minicnn.load_model("b.minicnn")])
        both.evaluate(x, y)

    Source: Hansen & Salamon 1990, "Neural network ensembles".
    """
    where, given = "ensemble: models", items(models) or []
    expected, fix = "a list of at least two models", "give it what load_model returned"
    ok = len(given) > 1 and all(isinstance(one, LayerStack) for one in given)
    require(ok, where, expected, shown(models), fix, error=ArgumentTypeError)
    for one in given:
        require(one.built, where, "built models", f"{one.name}, which has no weights yet", error=ArgumentError)
        plain = not isinstance(one.sample_in, list) and not isinstance(one.sample_out, list)
        require(plain, where, "models with one input and one output", f"{one.name}, which has several",
                error=ArgumentError)  # fmt: skip
    first = given[0]
    shapes = f"{first.sample_in} -> {first.sample_out}, as the first model's"
    for one in given[1:]:
        same = (one.sample_in, one.sample_out) == (first.sample_in, first.sample_out)
        require(same, where, shapes, f"{one.sample_in} -> {one.sample_out}", error=ArgumentError)
    names = [one.name for one in given]
    twice = [n for n in names if names.count(n) > 1]
    require(not twice, where, "models with names of their own", f"{twice[0]} twice" if twice else "",
            'give each model a name: model.name = "first"', error=ArgumentError)  # fmt: skip
    x = Input(first.sample_in)
    model = Model(x, Average(name="mean")([flat(one(x))[0] for one in given]), name=name)
    if first.loss is not None:
        model.compile("sgd", first.loss, metrics=[one.independent_copy() for one in first.metrics])
    return model
