"""From samples to statements: medians and spread, each target with its ratio, the README's tables."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

BEGIN, END = "<!-- compare:begin -->", "<!-- compare:end -->"
OURS, DOCUMENTED = "minicnn", "keras-tensorflow"  # the documented script is Keras on TensorFlow
NAMES = {
    "minicnn": "**minicnn**", "minicnn-haswell": "minicnn, `OPENBLAS_CORETYPE=Haswell`", "numpy_ref": "`numpy_ref`",
    "keras-tensorflow": "Keras on TensorFlow", "keras-jax": "Keras on JAX", "keras-torch": "Keras on PyTorch",
    "torch": "PyTorch, eager", "torch-compile": "PyTorch, `torch.compile`",
}  # fmt: skip


class Line(NamedTuple):
    """One statement: ours against the best of the peers.  Units: s or bytes; ratio: theirs / ours, more is better."""

    work: str
    peer: str
    theirs: float | None
    ours: float
    ratio: float | None
    target: float | None  # at least; None: stated without a target
    stretch: float | None

    @property
    def verdict(self) -> str:
        if self.target is None or self.ratio is None:
            return ""
        best = self.stretch and self.ratio >= self.stretch
        return "met (stretch)" if best else "met" if self.ratio >= self.target else "**missed**"


def spread(samples: list[float]) -> dict:
    low, median, high = np.quantile(samples, [0.25, 0.5, 0.75]).tolist()
    return {"median": median, "min": min(samples), "q1": low, "q3": high, "max": max(samples), "samples": samples}


def fastest(peers: dict, measure: str, only=lambda name: True) -> tuple[str, float] | None:
    """("peer, way", median seconds) of the fastest foreign contestant.  measure "train:" means all that begin so."""
    found = [
        (peer["measures"][key]["median"], f"{name}, {key.split(':')[1]}" if measure.endswith(":") else name)
        for name, peer in peers.items()
        if peer["valid"] and not peer["ours"] and only(name)
        for key in peer["measures"]
        if key == measure or (measure.endswith(":") and key.startswith(measure))
    ]
    return min(found)[::-1] if found else None


def lines(networks: dict) -> list[Line]:
    """Everything that the run can say about the targets.  networks: {"A": {"peers": {...}}, ...}"""
    found = []

    def add(work, network, theirs_measure, ours_measure, target=None, stretch=None, only=lambda name: True):
        peers = networks.get(network, {}).get("peers", {})
        own = peers.get(OURS)
        if own is None or not own["valid"]:
            return
        times = [m["median"] for key, m in own["measures"].items()
                 if key == ours_measure or (ours_measure.endswith(":") and key.startswith(ours_measure))]  # fmt: skip
        best = fastest(peers, theirs_measure, only)
        if times and best:
            found.append(Line(work, *best, min(times), best[1] / min(times), target, stretch))

    keras = lambda name: name.startswith("keras")  # noqa: E731
    add("A, train, augmentation, fastest peer", "A", "train:", "train:", 2.7, 3.5)
    add("A, train, augmentation, documented script (ImageDataGenerator)", "A", "train:generator", "train:generator",
        3.3, only=keras)  # fmt: skip
    add("A, train, no augmentation", "A", "train", "train", 2.7, 3.5)
    add("A, predict, batch 1,000", "A", "predict:1000", "predict:1000", 2.0, 3.0)
    add("A, predict, each at its best batch size", "A", "predict:", "predict:")
    for network in "BCDE":
        add(f"{network}, train, no augmentation", network, "train", "train", 2.0)
    add("B, train, augmentation, fastest peer", "B", "train:", "train:", 2.0)
    for network in "BCDE":
        add(f"{network}, predict, batch 1,000", network, "predict:1000", "predict:1000")
    add("A, augmentation alone, ImageDataGenerator", "A", "augment:generator", "augment:generator", 15.0, only=keras)
    add("A, augmentation alone, fastest peer", "A", "augment:", "augment:")
    add("A, peak memory of training, Keras on TensorFlow", "A", "peak_memory", "peak_memory", 2.0,
        only=lambda name: name == DOCUMENTED)  # fmt: skip
    add("A, peak memory of training, smallest peer", "A", "peak_memory", "peak_memory")
    add("import", "A", "import", "import")
    add("A, start of the process to the end of step 1", "A", "start", "start")
    own = networks.get("A", {}).get("peers", {}).get(OURS, {}).get("measures", {})
    for work, measure, limit in (("import at most 0.5 s", "import", 0.5),
                                 ("`fit` to the end of step 1, at most 2 s", "first_fit", 2.0)):  # fmt: skip
        if measure in own:
            median = own[measure]["median"]
            found.append(Line(work, "the limit", limit, median, limit / median, 1.0, None))
    return found


def quantity(measure: str, value: float) -> str:
    if "memory" in measure:
        return f"{value / 1e6:,.0f} MB"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.3g} ms" if value < 0.1 else f"{value * 1000:.0f} ms"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Markdown; the first two columns to the left, the others to the right."""
    rule = ["---"] * min(2, len(heads)) + ["--:"] * (len(heads) - 2)
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, rule, *rows))


def targets(found: list[Line]) -> str:
    rows = []
    for line in found:
        goal = "" if line.target is None else f"{line.target:g}" + (f" ({line.stretch:g})" if line.stretch else "")
        theirs = "" if line.theirs is None else quantity(line.work, line.theirs)
        ratio = "" if line.ratio is None else f"**{line.ratio:.2f}**"
        rows.append([line.work, line.peer, theirs, quantity(line.work, line.ours), ratio, goal, line.verdict])
    return table(["work", "best peer", "theirs", "minicnn", "ratio", "at least (stretch)", "target"], rows)


def network_table(network: dict) -> str:
    """One row per contestant and way: ms per training step, its spread, images per second, memory."""
    rows = []
    for name, peer in network["peers"].items():
        measures, label = peer["measures"], NAMES.get(name, name) + ("" if peer["valid"] else " (INVALID)")
        for key in [key for key in measures if key == "train" or key.startswith("train:")]:
            first, m = key == "train", measures[key]
            rate = measures.get("predict:1000")
            memory = measures.get("peak_memory")
            rows.append([
                label, "none" if first else key.split(":")[1], f"{m['median'] * 1000:.1f}",
                f"{m['min'] * 1000:.1f} to {m['max'] * 1000:.1f}",
                f"{network['predicted'] / rate['median']:,.0f}" if first and rate else "",
                f"{memory['median'] / 1e6:,.0f}" if first and memory else "",
            ])  # fmt: skip
    rows += [[NAMES.get(name, name), f"failed: {reason}", "", "", "", ""] for name, reason in network["failed"].items()]
    heads = ["", "augmentation", "ms per step", "min to max", "predict, images/s", "peak memory, MB"]
    return table(heads, rows)


def markdown(result: dict) -> str:
    """What stands between the README's markers."""
    about, networks = result["machine"], result["networks"]
    versions = {}
    for network in networks.values():
        for peer in network["peers"].values():
            versions.update(peer["versions"])
    versions.pop("minicnn (recipes)", None)
    sizes = ", ".join(f"{name} {network['steps']}" for name, network in networks.items())
    parts = [
        f"Written by `benchmarks/compare.py` on {result['date'][:10]}, commit {result['commit']}: {about['cpu']}, "
        f"{about['cores']} cores, {', '.join(f'{k} {v}' for k, v in sorted(versions.items()))}. Medians of interleaved "
        f"rounds ({result['options']['rounds']}; steps per sample, at least: {sizes}; fewer for who is far behind: see "
        "benchmarks/README.md); ratios: peer / minicnn.",
        targets([Line(**line) for line in result["lines"]]),
    ]
    if not result["idle"]:
        parts.insert(0, "**The machine was not idle: a rehearsal, no measurement.**")
    for name, network in networks.items():
        parts += [f"Network {name} (`{network['recipe']}`, batch {network['batch_size']}):", network_table(network)]
    return "\n\n".join(parts)


def write_between_markers(path: Path, text: str) -> None:
    """Replace what stands between the markers.  Raises ValueError if there is not one pair of them, in order."""
    whole = path.read_text("utf-8")
    if whole.count(BEGIN) != 1 or whole.count(END) != 1 or whole.index(BEGIN) > whole.index(END):
        raise ValueError(f"{path.name}: expected one line {BEGIN} and after it one line {END}; add them")
    before, rest = whole.split(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", "utf-8")
