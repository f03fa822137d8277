"""Operator fusion: rules that replace a chain of a program's nodes by one node, which one kernel computes.

      Rule("conv2d relu? batch_norm? max_pool? dropout?", ops, to)

A rule matches a chain: each node reads the one before as its first input, and nobody else reads it. A name with `?` may
be missing. `to` gets what matched, {"conv2d": node, "max_pool": node, ...}, and returns the one node that does all of
it, or None where it cannot; then the chain without its last node is tried. The node that results stands where the last
of the chain stood, so all its inputs are there. Rules are tried in their order.

What a rule makes must be the same function of its inputs, up to the order in which sums are rounded: one test holds
every rule to the unfused program in numpy_ref float64.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


class Rule:
    """names: the chain; ops: name -> the op's function; to(found, fused) -> node or None, fused: kernels on offer.

    training, inference   where it holds;  least: of so many nodes is the shortest chain
    """

    def __init__(self, names: str, ops: Mapping[str, Callable], to: Callable, *, training: bool = False,
                 inference: bool = False, least: int = 2):  # fmt: skip
        self.chain = [(name.rstrip("?"), ops[name.rstrip("?")], name.endswith("?")) for name in names.split()]
        self.to, self.training, self.inference, self.least = to, training, inference, least

    def match(self, node: Any, follower: Mapping[int, Any]) -> list[tuple[str, Any]]:
        """The longest chain (name, node) from `node` on.  follower: slot -> the one node that continues it."""
        found = []
        for name, op, optional in self.chain:
            if node is not None and node.op is op:
                found.append((name, node))
                node = follower.get(node.outputs[0])
            elif not optional:
                return []
        return found


def fuse(nodes: Sequence, rules: Sequence[Rule], asked: set[int], *, training: bool, fused: frozenset) -> list:
    """The nodes, with chains that a rule matches as one.  asked: slots that somebody outside wants to see."""
    rules = [rule for rule in rules if (rule.training if training else rule.inference)]
    reads: dict[int, list] = {}
    for node in nodes:
        for slot in node.inputs:
            reads.setdefault(slot, []).append(node)
    follower = {slot: readers[0] for slot, readers in reads.items()
                if len(readers) == 1 and readers[0].inputs[0] == slot and slot not in asked}  # fmt: skip
    last_of, gone = {}, set()  # by a node's output
    for node in nodes:
        if node.outputs[0] in gone:
            continue
        for rule in rules:
            chain = rule.match(node, follower)
            merged = None
            while len(chain) >= rule.least and (merged := rule.to(dict(chain), fused)) is None:
                chain.pop()
            if merged is not None:
                gone.update(part.outputs[0] for _, part in chain)
                last_of[chain[-1][1].outputs[0]] = merged
                break
    return [last_of.get(node.outputs[0], node) for node in nodes
            if node.outputs[0] not in gone or node.outputs[0] in last_of]  # fmt: skip
