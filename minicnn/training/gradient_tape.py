"""GradientTape: gradients of what is computed inside `with`, as TensorFlow's programs ask for them.

    with GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))

The arithmetic is core/tensor.py's: an op that can have a gradient makes a node, and every node tells the tapes that are
on. A tape keeps the nodes that lead from what it watches, in their order, and `gradient` walks them in reverse; what
nobody asked for is not computed. Several tapes may keep one node, so a walk uses nothing up. Nodes are let go when the
tape has answered, or, of a persistent one, when it is deleted: what they made are constants from then on.

Weights are taken as they were when an op read them, also after an optimizer has changed them.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

from .. import arguments
from ..core.tensor import Node, Parameter, Tensor, start, stop, tapes
from ..errors import ArgumentError, ArgumentTypeError, MinicnnError, UnsupportedError, one_of, require
from ..structure import flat, packed, template_of

NONE, ZERO = UNCONNECTED = ("none", "zero")  # what stands for a gradient where no path leads to a source


class GradientTape:
    """Record ops from `with` to its end; compute gradients of any of their results, by any that the tape watches.

    persistent                whether `gradient` may be asked more than once
    watch_accessed_variables  whether trainable weights and Variables are watched without being asked for, by the first
                              op that reads them

    Raises MinicnnError where a tape is asked a second time that is not persistent.
    Differs from Keras: there are no gradients of gradients: where one is asked for, `gradient` raises UnsupportedError;
    NumPy arrays cannot be watched; batch_jacobian is not there.
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True):
        self._nodes: dict[int, Node] = {}  # by serial number, in order
        self._watched: dict[int, Tensor] = {}
        self._lent: list[Tensor] = []  # tensors that are recorded because the tape watches them, until it stops
        self._read: dict[int, Parameter] = {}
        self._on = self._spent = False
        self._persistent = arguments.flag("GradientTape: persistent", persistent)
        self._accessed = arguments.flag("GradientTape: watch_accessed_variables", watch_accessed_variables)

    # recording -------------------------------------------------------------------------------------------------------

    def __enter__(self) -> "GradientTape":
        require(not self._on, "GradientTape", "a tape that is not recording", "one that is", error=ArgumentError)
        if self._spent:
            self.reset()
        self._start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._on:
            self._stop()

    def __del__(self):
        if "_nodes" in vars(self):
            self._let_go()

    def _start(self) -> None:
        self._on = True
        start(self)
        for tensor in self._watched.values():
            self._lend(tensor)

    def _stop(self) -> None:
        self._on = False
        stop(self)
        for tensor in self._lent:
            others = [tape for tape in tapes() if id(tensor) in tape._watched]
            if others:
                others[0]._lent.append(tensor)
            else:
                tensor.requires_grad = False
        self._lent = []

    def _lend(self, tensor: Tensor) -> None:
        if not tensor.requires_grad:
            tensor.requires_grad = True
            self._lent.append(tensor)

    def _let_go(self) -> None:
        for node in self._nodes.values():
            node.let_go()
        self._nodes = {}

    def record(self, node: Node) -> None:
        """Keep a new node if it reads anything that the tape follows.  Node's constructor calls this."""
        if any([self._follows(one) for one in node.inputs]):
            node.holders += 1
            self._nodes[node.serial] = node

    def _follows(self, one) -> bool:
        if not isinstance(one, Tensor):
            return False
        if self._accessed and isinstance(one, Parameter) and one.trainable and one.requires_grad:
            self._read[id(one)] = one
            return True
        return id(one) in self._watched or (one.node is not None and one.node.serial in self._nodes)

    def watch(self, tensor: Any) -> None:
        """Follow a tensor, or all of a list, tuple or dict: what ops make of it from here on has a gradient by it."""
        where, fix = "GradientTape.watch", "write it inside `with`"
        require(self._on, where, "a tape that is recording", "one that is not", fix, error=ArgumentError)
        for one in _tensors(where, tensor):
            if one.node is not None and not one.node.inputs:
                one.node, one.requires_grad = None, False  # a tape that is gone made it
            self._watched[id(one)] = one
            self._lend(one)

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Inside, this tape records nothing."""
        fix = "write it inside `with`"
        require(self._on, "GradientTape.stop_recording", "a tape that is recording", "one that is not", fix,
                error=ArgumentError)  # fmt: skip
        self._stop()
        try:
            yield
        finally:
            if not self._spent:
                self._start()

    def reset(self) -> None:
        """Forget everything; a tape that is recording goes on."""
        on = self._on
        if on:
            self._stop()
        self._let_go()
        self._watched, self._read, self._spent = {}, {}, False
        if on:
            self._start()

    def watched_variables(self) -> tuple[Parameter, ...]:
        """The weights and Variables that are watched, in the order in which they were read."""
        told = {i: one for i, one in self._watched.items() if isinstance(one, Parameter)}
        return tuple((self._read | told).values())

    # gradients -------------------------------------------------------------------------------------------------------

    def gradient(self, target: Any, sources: Any, output_gradients: Any = None,
                 unconnected_gradients: str = NONE) -> Any:  # fmt: skip
        """sum over all elements of target of output_gradients * d target / d source, for each source.

        target            a tensor, or a structure of them: the sum over all counts
        sources           a tensor, or a structure of them: the answer has the same, each gradient its source's shape
        output_gradients  None: ones; else of target's structure and shapes
        unconnected_gradients  what stands for a source that no path leads to: "none", None, or "zero", zeros
        Raises MinicnnError for a second call of a tape that is not persistent, and UnsupportedError where a path leads
        through another tape's gradient.
        """
        where = "GradientTape.gradient"
        unconnected = one_of(f"{where}: unconnected_gradients", unconnected_gradients, UNCONNECTED)
        targets, wanted = _tensors(f"{where}: target", target), _tensors(f"{where}: sources", sources)
        cotangents = _cotangents(f"{where}: output_gradients", output_gradients, target, targets)
        self._ask(where)
        try:
            walk = _Walk(self._nodes, self._leaves(wanted), wanted)
            found = walk.back(targets, cotangents)
            node = _no_more(where, walk, [one for one in _leaves(output_gradients) if isinstance(one, Tensor)])
            return packed(template_of(sources), [_answer(one, g, unconnected, node)
                                                 for one, g in zip(wanted, found, strict=True)])  # fmt: skip
        finally:
            self._answered()

    def jacobian(self, target: Tensor, sources: Any, unconnected_gradients: str = NONE, parallel_iterations: Any = None,
                 experimental_use_pfor: bool = True) -> Any:  # fmt: skip
        """d target / d source of every element by every element: target's shape, and behind it the source's.

        One walk for each element of target; sources may be a structure.
        """
        where = "GradientTape.jacobian"
        unconnected = one_of(f"{where}: unconnected_gradients", unconnected_gradients, UNCONNECTED)
        arguments.instance(f"{where}: target", target, Tensor, "one tensor")
        wanted = _tensors(f"{where}: sources", sources)
        self._ask(where)
        try:
            walk, rows, size = _Walk(self._nodes, self._leaves(wanted), wanted), [], math.prod(target.shape)
            for i in range(size):
                one = target.be.xp.zeros(size, target.dtype)
                one[i] = 1
                rows.append(walk.back([target], [one.reshape(target.shape)]))
            node = _no_more(where, walk, [])
            found = []
            for k, source in enumerate(wanted):
                shape = (*target.shape, *source.shape)
                each = [row[k] for row in rows]
                there = all(g is not None for g in each) and size > 0
                whole = source.be.xp.stack(each).reshape(shape) if there else None
                found.append(_answer(source, whole, unconnected, node, shape))
            return packed(template_of(sources), found)
        finally:
            self._answered()

    def _ask(self, where: str) -> None:
        if self._spent:
            raise MinicnnError(f"{where}: expected a tape that has not answered yet, received a second question; "
                               "write GradientTape(persistent=True)")  # fmt: skip

    def _answered(self) -> None:
        if not self._persistent:
            if self._on:
                self._stop()
            self._let_go()
            self._spent = True

    def _leaves(self, sources: list[Tensor]) -> set[int]:
        """Sources that no node of the tape made, and that it watches."""
        return {id(one) for one in sources
                if (id(one) in self._watched or id(one) in self._read)
                and (one.node is None or one.node.serial not in self._nodes)}  # fmt: skip


class _Walk:
    """Walks back from targets to sources.  leads: the nodes that a source leads to; visited: what was walked."""

    def __init__(self, nodes: dict[int, Node], leaves: set[int], sources: list[Tensor]):
        self.nodes, self.leaves, self.sources = nodes, leaves, sources
        self.ends = {one.node.serial for one in sources if one.node is not None and one.node.serial in nodes}
        self.leads: set[int] = set(self.ends)
        self.visited = {}
        for serial, node in nodes.items():
            if any([self.wants(one) for one in node.inputs]):
                self.leads.add(serial)

    def wants(self, one) -> bool:
        """Whether the gradient by an op's input is asked for."""
        if not isinstance(one, Tensor):
            return False
        return id(one) in self.leaves or (one.node is not None and one.node.serial in self.leads)

    def back(self, targets: list[Tensor], cotangents: list) -> list:
        """For every source an array on its backend, or None."""
        at: dict[int, Any] = {}  # by a node's serial number: of its output
        found: dict[int, Any] = {}  # by id: of a leaf;  by serial number, negative: of a source that a node made

        def add(one, gradient):
            leaf = id(one) in self.leaves
            where, key = (found, id(one)) if leaf else (at, one.node.serial)
            where[key] = where[key] + gradient if key in where else gradient

        for target, dy in zip(targets, cotangents, strict=True):
            if self.wants(target):
                add(target, dy)
        for serial, node in reversed(self.nodes.items()):
            dy = at.pop(serial, None)
            if dy is None:
                continue
            if serial in self.ends:
                found[-1 - serial] = dy
            needs = tuple([self.wants(one) for one in node.inputs])
            if not any(needs):
                continue
            if node.vjp is None:
                raise MinicnnError(
                    f"GradientTape.gradient: the tape through {node.name} was used up by backward(); run forward again"
                )
            self.visited[serial] = node
            for one, need, gradient in zip(node.inputs, needs, node.vjp(dy, needs), strict=True):
                if need:
                    add(one, gradient)
        keys = [-1 - one.node.serial if one.node is not None and id(one) not in self.leaves else id(one)
                for one in self.sources]  # fmt: skip
        return [found.get(key) for key in keys]


def _leaves(value) -> list:
    return [] if value is None else flat(value)


def _tensors(where: str, value) -> list[Tensor]:
    """All tensors of a structure."""
    found = flat(value)
    for one in found:
        if not isinstance(one, Tensor):
            fix = "make it a tensor first: tf.convert_to_tensor(x)" if hasattr(one, "shape") else ""
            expected = "a tensor, or a structure of them"
            require(False, where, expected, arguments.shown(one), fix, error=ArgumentTypeError)
    return found


def _cotangents(where: str, given, target, targets: list[Tensor]) -> list:
    """What backward begins with, for every target: an array on its backend."""
    listed = [None] * len(targets) if given is None else [given] if isinstance(target, Tensor) else flat(given)
    require(len(listed) == len(targets), where, f"{len(targets)} of them", len(listed), error=ArgumentError)
    found = []
    for one, target in zip(listed, targets, strict=True):
        be = target.be
        if one is None:
            found.append(be.xp.ones_like(target.data))
            continue
        here = isinstance(one, Tensor) and one.be.name == be.name
        dy = be.asarray(one.data if here else arguments.array(where, one), be.dtype)
        require(dy.shape == target.shape, where, f"shape {target.shape}", dy.shape)
        found.append(dy)
    return found


def _answer(source: Tensor, gradient, unconnected: str, node: Node | None, shape=None):
    be = source.be
    if gradient is None:
        return Tensor.of(be.xp.zeros(shape or source.shape, be.dtype), be, None) if unconnected == ZERO else None
    return Tensor.of(be.asarray(gradient, be.dtype).copy(), be, node)  # a copy: a walk hands on what is not changed


def _no_more(where: str, walk: _Walk, more: list[Tensor]) -> Node | None:
    """Where a tape is on, the node that stands for the walk: it refuses to be walked.  None where no tape keeps it."""
    if not tapes():
        return None
    read = {id(one): one for node in walk.visited.values() for one in node.inputs if isinstance(one, Tensor)}

    def refuse(dy, needs):
        raise UnsupportedError(
            f"{where}: minicnn has no gradients of gradients: expected a target that does not depend on another tape's "
            "gradient; treat that one as a constant, tf.stop_gradient(g), where this is what is meant"
        )

    node = Node(where, (*read.values(), *more), refuse)
    return node if node.holders else None
