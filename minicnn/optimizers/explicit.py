"""Keras's way to step by hand: optimizer.apply(gradients, weights), and an optimizer's state as variables."""

from collections.abc import Iterable, Sequence
from typing import Any

from ..aliases import RateLike
from ..arguments import array, instance, listed, number, whole
from ..core.tensor import Parameter, Tensor, no_grad
from ..errors import ArgumentError, ArgumentTypeError, require
from ..notes import note


class Rate(float):
    """The learning rate: a number, which Keras's programs also ask for .numpy() and .assign(value)."""

    __slots__ = ("_optimizer",)

    def __new__(cls, value: float, optimizer):
        made = super().__new__(cls, value)
        made._optimizer = optimizer
        return made

    def __reduce__(self):
        return float, (float(self),)

    def numpy(self) -> float:
        """The number."""
        return float(self)

    @property
    def value(self) -> "Rate":
        """Itself."""
        return self

    def assign(self, value: RateLike) -> None:
        """optimizer.learning_rate = value."""
        self._optimizer.learning_rate = value


def _restrain(weights: list[Parameter]) -> None:
    with no_grad():
        for p in weights:
            if p.constraint is not None and p.requires_grad:
                p.restrain(p.constraint)


class Explicit:
    """What an optimizer does with gradients that are handed in, instead of those that backward leaves in the weights.

        optimizer.build(weights)
        optimizer.apply(gradients, weights)            optimizer.apply_gradients(zip(gradients, weights))

    A weight with a constraint is then made what that says. One without a gradient (None), or that is not among them,
    stays as it is, and so does its state; its moving average goes on.
    """

    turns: tuple[tuple[str, ...], ...] = ()  # the slots as Keras lists them: those of a group take turns; (): one group

    def apply(self: Any, grads: Sequence[Any] | None = None,
              trainable_variables: Sequence[Parameter] | None = None) -> None:  # fmt: skip
        """One step.

        grads                 one array or tensor, or None, per weight;  None: those that backward left in the weights
        trainable_variables   the weights, a list of Parameters;  None: all that the optimizer was built with
        With a loss_scale_factor the gradients are divided by it.
        Raises ArgumentError for no gradient at all, for weights that it was not built with, and for one given twice.
        """
        where = f"{type(self).__name__}.apply"
        if grads is None:
            ok, fix = trainable_variables is None, "give the gradients too"
            require(ok, f"{where}: trainable_variables", "None without grads", "weights", fix, error=ArgumentTypeError)
            require(bool(self.params), where, "an optimizer with weights", "none", "call build(weights) first",
                    error=ArgumentError)  # fmt: skip
            if self.loss_scale_factor:
                for p in self.params:
                    p.grad = None if p.grad is None else p.grad / self.loss_scale_factor
            self.step()
            _restrain(self.params)
            return
        grads = listed(f"{where}: grads", grads, "gradients")
        given = self.params if trainable_variables is None else trainable_variables
        given = listed(f"{where}: trainable_variables", given, "weights")
        found = self._paired(where, grads, given)
        self.build(self.params or given)
        for p in self.params:
            p.grad = None  # what backward left there is not asked for
        for p, gradient in found:
            p.grad = gradient
        stepped = {id(p) for p, _ in found}
        self.step(idle=[i for i, p in enumerate(self.params) if id(p) not in stepped])
        _restrain([p for p, _ in found])

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Parameter]]) -> None:
        """apply, of pairs (gradient, weight)."""
        where = f"{type(self).__name__}.apply_gradients: grads_and_vars"
        pairs = listed(where, grads_and_vars, "pairs (gradient, weight)")
        for one in pairs:
            ok = isinstance(one, (tuple, list)) and len(one) == 2
            require(ok, where, "pairs (gradient, weight)", type(one).__name__, error=ArgumentTypeError)
        self.apply([gradient for gradient, _ in pairs], [weight for _, weight in pairs])

    def _paired(self: Any, where: str, grads: list, given: list) -> list[tuple[Parameter, Any]]:
        """(weight, its gradient on the weight's backend) of those that have one, checked."""
        expected = f"one gradient for each of {len(given)} weights"
        require(len(grads) == len(given), where, expected, len(grads), error=ArgumentError)
        known = {id(p) for p in self.params}
        for p in given:
            instance(f"{where}: trainable_variables", p, Parameter, "weights")
            expected, fix = "weights that it was built with", "make a new optimizer for others"
            ok = not known or id(p) in known
            require(ok, f"{where}: trainable_variables", expected, p.path, fix, error=ArgumentError)
        once = len({id(p) for p in given}) == len(given)
        require(once, f"{where}: trainable_variables", "each weight once", "one twice", "add its gradients up",
                error=ArgumentError)  # fmt: skip
        without = [p.path for p, gradient in zip(given, grads, strict=True) if gradient is None]
        require(len(without) < len(given), where, "a gradient for one weight at least", "none", error=ArgumentError)
        if without:
            note(f"{where}: no gradient for {', '.join(without)}, which stay as they are")
        found = []
        for p, gradient in zip(given, grads, strict=True):
            if gradient is None:
                continue
            data = gradient.data if isinstance(gradient, Tensor) and gradient.be is p.be else gradient
            if data is gradient and not isinstance(gradient, p.be.xp.ndarray):
                data = array(f"{where}: gradient of {p.path}", gradient)
            data = p.be.asarray(data, p.be.dtype)
            require(data.shape == p.shape, f"{where}: gradient of {p.path}", f"shape {p.shape}", data.shape)
            found.append((p, data / self.loss_scale_factor if self.loss_scale_factor else data))
        return found

    def scale_loss(self: Any, loss: Any) -> Any:
        """loss * loss_scale_factor, whose gradients `apply` divides by it; the loss without one."""
        return loss * self.loss_scale_factor if self.loss_scale_factor else loss

    @property
    def variables(self: Any) -> list:
        """The steps so far, the learning rate unless a schedule sets it, and all weights' state, in Keras's order.

        The state are Parameters, which `assign` changes in place.
        """
        rate = [] if self.schedule is not None else [self.learning_rate]
        turns = (("average",), ("accumulated",), *(self.turns or (self.slots,)))
        present = [[slot for slot in turn if slot in self.kept] for turn in turns]
        return [self.iterations, *rate, *(self._variable(slot, i) for turn in present
                                          for i in range(len(self.params)) for slot in turn)]  # fmt: skip

    def _variable(self: Any, slot: str, i: int) -> Parameter:
        p = self.params[i]
        data = self._piece(getattr(self.slot, slot), i).reshape(p.shape)
        return Parameter(data, p.be, f"{p.path.replace('/', '_')}_{slot}", trainable=False)

    def get_weights(self) -> list:
        """The values of `variables`: numbers and NumPy arrays."""
        return [one.numpy() if hasattr(one, "numpy") else one for one in self.variables]

    def set_weights(self: Any, weights: Sequence[Any]) -> None:
        """Take over what get_weights, or `variables`, of an optimizer of the same kind and weights hold."""
        where, held = f"{type(self).__name__}.set_weights", self.variables
        fix = "" if self.params else "call build(weights) first"
        weights = listed(where, weights)
        require(len(weights) == len(held), where, f"{len(held)} values", len(weights), fix, error=ArgumentError)
        require(bool(self.params), where, "an optimizer with weights", "none", fix, error=ArgumentError)
        first = 1 if self.schedule is not None else 2
        iterations = whole(f"{where}: iterations", weights[0], low=0)
        rate = None if first == 1 else number(f"{where}: learning_rate", weights[1], low=0)
        state = [(mine, array(where, value)) for mine, value in zip(held[first:], weights[first:], strict=True)]
        for mine, value in state:
            require(mine.shape == value.shape, f"{where}: {mine.path}", f"shape {mine.shape}", value.shape)
        self.iterations = iterations
        if rate is not None:
            self.learning_rate = rate
        for mine, value in state:
            mine.assign(value)

    def finalize_variable_values(self: Any, var_list: Iterable[Parameter] | None = None) -> None:
        """What happens at the end of fit: with use_ema the weights become their moving averages."""
        self.end_training()
