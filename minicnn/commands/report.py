"""minicnn report RUN: what a run did and what it learnt, as one HTML file that needs nothing else.

Every picture has its numbers beside it, as a table. The file opens offline: pictures are in it, no script is.
"""

import argparse
import base64
import math
import sys
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minicnn
from minicnn import reports
from minicnn.errors import ArgumentError, MinicnnError, require
from minicnn.io import atomic_write, check_folder, history
from minicnn.io.html import Markup, curve, html_table
from minicnn.labels import believed
from minicnn.reports.figure import picture
from minicnn.structure import flat
from minicnn.teaching import layer_statistics
from minicnn.teaching.timing import layer_times

from . import digits, models
from .parser import Parser
from .recipe import built

LARGEST = 2_000_000  # bytes of the file
WORST, BATCH, WATCHED = 8, 32, 32  # images: errors shown; of the timed step; of statistics that a run has not recorded
FILTERS = 64  # filters whose numbers are listed
EXAMPLE = "minicnn report runs/kaggle_bn"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title><style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }}
h2 {{ margin-top: 2.5rem; border-bottom: 1px solid #8886 }}
.wide {{ overflow-x: auto }} img {{ max-width: 100%; background: #fff }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; margin: .6rem 0 }}
th, td {{ padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #8883; white-space: nowrap }}
th:first-child, td:first-child {{ text-align: left }}
.facts th, .facts td {{ text-align: left; white-space: normal; overflow-wrap: anywhere }}
.facts td:first-child {{ white-space: nowrap }}
</style></head><body><main><h1>{title}</h1>
{body}
</main></body></html>
"""


def inlined(figure: Any, words: str) -> str:
    """A figure as an img that holds its own bytes."""
    data = base64.b64encode(figure._repr_png_()).decode()
    return f'<p><img alt="{escape(words)}" src="data:image/png;base64,{data}"></p>'


def wide(rows: Any) -> str:
    return f'<div class="wide" tabindex="0">{html_table(rows)}</div>'


def missing(text: str) -> str:
    return f"<p><em>{escape(text)}</em></p>"


def number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else ""


# sections -------------------------------------------------------------------------------------------------------------


def table_of(facts: dict, key: str) -> dict:
    """A dict in a summary, {} where it has none of this name."""
    found = facts.get(key)
    return found if isinstance(found, dict) else {}


def about(model: Any, facts: dict, folder: Path) -> str:
    """What ran, on what, by which command."""
    machine = table_of(facts, "machine")
    versions = table_of(machine, "versions")
    rows: list[tuple] = [("what", "of this run")]
    rows += [(name, facts[name]) for name in ("command", "recipe", "seed", "epochs", "batch_size", "data", "device",
                                              "kernels", "date", "stopped") if name in facts]  # fmt: skip
    rows += [(name, machine[name]) for name in ("cpu", "system", "commit") if machine.get(name)]
    rows += [("versions", ", ".join(f"{name} {value}" for name, value in versions.items() if value))]
    rows += [("parameters", f"{model.count_params():,}")]
    rows += [(name, number(value)) for name, value in table_of(facts, "figures").items()]
    lacks = f"{folder} has no {models.SUMMARY}, which training by a command writes"
    return f'<div class="facts">{html_table(rows)}</div>' + ("" if facts else missing(lacks))


def curves(folder: Path) -> str:
    """Loss, accuracy and the learning rate."""
    if not (folder / "history.csv").is_file():
        return missing("no history.csv: minicnn.io.history.write(folder + '/history.csv', model.fit(...)) writes it")
    columns = history.read(folder / "history.csv")
    names = [name for name in columns if name != "epoch"]
    rows = [("epoch", *names)]
    rows += [(int(n) + 1, *(f"{columns[name][k]:.6g}" for name in names)) for k, n in enumerate(columns["epoch"])]
    drawn = {name: columns[name] for name in names}
    words = "<p>Epochs count from 1 here, as while training; from 0 in history.csv, as Keras's CSVLogger has it.</p>"
    return words + inlined(reports.curves.draw(drawn), "curves of loss, accuracy and learning rate") + wide(rows)


QUANTITIES = {"rms": "activation, rms", "zeros": "zeros", "dead": "dead channels", "saturated": "saturated",
              "gradient": "dL/d output, rms", "weights": "weights, rms", "weight_gradient": "dL/d weights, rms",
              "update": "update / weights, an epoch"}  # fmt: skip


def statistics(model: Any, facts: dict, images: Any) -> str:
    """Activations, gradients and updates of every layer, over the epochs where they were recorded."""
    epochs = facts.get("layers")
    epochs = [one for one in epochs if isinstance(one, dict)] if isinstance(epochs, list) else []
    note = ""
    if not epochs:
        y = models.targets(model, images, WATCHED)
        epochs = [layer_statistics(model.trace(images.rows(slice(WATCHED)), y))]
        note = missing("the run has not recorded them epoch by epoch: these are the trained model's")
    names = [layer.name for layer in model.leaves if isinstance(epochs[-1].get(layer.name), Mapping)]
    found = [key for key in QUANTITIES if any(key in epochs[-1][name] for name in names)]
    rows = [("layer", *(QUANTITIES[key] for key in found))]
    for name in names:
        cells = []
        for key in found:
            series = [one.get(name, {}).get(key, math.nan) for one in epochs]
            series = [v if isinstance(v, int | float) else math.nan for v in series]
            last, units = series[-1], epochs[-1][name].get("units")
            text = "" if math.isnan(last) else f"{last:.0f} of {units}" if key == "dead" else number(last)
            drawn = curve(series, f"{name}: {QUANTITIES[key]}") if len(epochs) > 1 and text else ""
            cells.append(Markup(f"{drawn}<br>{escape(text)}" if drawn else escape(text)))
        rows.append((name, *cells))
    words = f"{WATCHED} training images, before training and after each of {len(epochs) - 1} epochs; numbers: the last."
    return (note or f"<p>{words}</p>") + wide(rows)


def confusion(labels: Any, answers: Any) -> str:
    table = reports.confusion.table(labels, answers, answers.shape[1])
    right = int((answers.argmax(1) == labels).sum())
    rows = [("label \\ predicted", *table.columns)]
    rows += [(name, *row) for name, row in zip(table.index, table.to_numpy(), strict=True)]
    return (f"<p>{right:,} of {len(labels):,} right: {right / len(labels):.4f}</p>"
            + inlined(reports.confusion.draw(table), "confusion matrix") + wide(rows))  # fmt: skip


def last_images(model: Any) -> str | None:
    """The last convolution, else the last layer, whose output is images with a size: of it Grad-CAM is taken."""
    axis = 1 if model.channels_first else 0
    sized = [layer for layer in model.leaves if len(layer.sample_out or ()) == 3 and layer.sample_out[axis] != 1]
    convolutions = [layer for layer in sized if layer.params and layer.params[0].data.ndim == 4]
    found = convolutions or sized
    return found[-1].name if found else None


def gray(model: Any, x: Any) -> np.ndarray:
    """One sample as a picture: its first input that is an image, else a vector's square or row."""
    given = max(x.values() if isinstance(x, dict) else [x], key=lambda one: one.ndim)
    if given.ndim == 3:
        return given.mean(axis=0 if model.channels_first else -1)
    side = math.isqrt(given.size)
    return given if given.ndim == 2 else given.reshape((side, side) if side * side == given.size else (1, -1))


def worst(model: Any, images: Any, told: "Told") -> str:
    """The most confident errors, each with its Grad-CAM."""
    labels, answers = told.labels, told.answers
    errors, name = reports.worst.find(labels, answers, WORST), last_images(model)
    if not errors:
        return missing("no errors")
    rows: list[tuple] = [
        ("image", "label", "its probability", "predicted", "its probability", "Grad-CAM peak (row, column)")
    ]
    with picture(1.6 * len(errors), 3.6 if name else 1.9) as figure:
        axes = figure.subplots(2 if name else 1, len(errors), squeeze=False)
        for column, error in enumerate(errors):
            n, said = int(error.index), int(error.prediction)
            x = images.rows(n)
            shown = gray(model, x)
            axes[0, column].imshow(shown, cmap="gray")
            axes[0, column].set_title(f"{n}: {error.label} as {said}", fontsize=9)
            peak = "-"
            if name:
                cam = model.trace(x, told.aims(n, said)).grad_cam(name)
                high, across = shown.shape
                place = (0, across, high, 0)
                axes[1, column].imshow(shown, cmap="gray", extent=place)
                axes[1, column].imshow(cam, cmap="inferno", alpha=0.55, extent=place, interpolation="bilinear")
                at = np.unravel_index(cam.argmax(), cam.shape)
                peak = f"{(at[0] + 0.5) * high / cam.shape[0]:.0f}, {(at[1] + 0.5) * across / cam.shape[1]:.0f}"
            p = answers[n]
            rows.append((n, error.label, f"{p[error.label]:.4f}", said, f"{p[said]:.4f}", peak))
        for one in axes.flat:
            one.set_axis_off()
    words = f"<p>Grad-CAM of {escape(name)}: where the image speaks for what was predicted.</p>" if name else ""
    return words + inlined(figure, "worst errors and their Grad-CAM") + wide(rows)


def augmented(recipe: Any, data: Any) -> str:
    if recipe is None or not recipe.augmentation:
        return missing("the run augments nothing" if recipe else "no recipe's run: its augmentation is not known")
    generator = minicnn.data.ImageDataGenerator(**recipe.augmentation, rescale=1 / 255)
    each = reports.samples.one_of_each(data.y_train)
    x, y = data.x_train[each], data.y_train[each]
    shaken = generator.flow(x, batch_size=len(each), shuffle=False, seed=0)
    tries = [np.asarray(next(shaken)) for _ in range(3)]
    drawn = reports.samples.draw_augmented(x, *tries, titles=y)
    tried = [f"{what}, try {k + 1}" for what in ("mean", "change (rms)") for k in range(3)]
    rows: list[tuple] = [("digit", "mean", *tried)]
    for n, label in enumerate(y):
        plain = digits.scaled(x[n])
        moved = [np.sqrt(np.mean(np.square(t[n] - plain))) for t in tries]
        rows.append((label, *(f"{v:.3f}" for v in (plain.mean(), *(t[n].mean() for t in tries), *moved))))
    settings = ", ".join(f"{name} {value}" for name, value in recipe.augmentation.items())
    return f"<p>{escape(settings)}</p>" + inlined(drawn, "training images, augmented") + wide(rows)


def kernel_of(layer: Any) -> np.ndarray | None:
    """A convolution's kernel as (KH, KW, C, O); of sequences KW is 1."""
    kernel = layer.get_weights()[0] if layer.params else np.zeros(0)
    if kernel.ndim == 3 and getattr(layer, "rank", 2) == 1:
        return kernel[:, None]
    return kernel if kernel.ndim == 4 else None


def filters(model: Any, before: Any) -> str:
    """The first convolution's filters, as they began and as they are."""
    kernels = ((one, kernel_of(one)) for one in model.leaves)
    layer, kernel = next(((one, kernel) for one, kernel in kernels if kernel is not None), (None, None))
    if layer is None or kernel is None:
        return missing("no convolution")
    first = next((one for one in before.leaves if one.name == layer.name), None) if before is not None else None
    start = None if first is None else kernel_of(first)
    start = start if start is not None and start.shape == kernel.shape else None
    heads = ("norm",) if start is None else ("norm before", "norm after", "change")
    drawn, rows = "", [("filter", *heads)]
    if start is not None:
        drawn += inlined(reports.features.draw_filters(start, title=f"{layer.name} before training"), "filters before")
    drawn += inlined(reports.features.draw_filters(kernel, title=f"{layer.name} after training"), "filters after")
    for k in range(min(kernel.shape[3], FILTERS)):
        now = float(np.linalg.norm(kernel[..., k]))
        was = [] if start is None else [np.linalg.norm(start[..., k])]
        moved = [] if start is None else [np.linalg.norm(kernel[..., k] - start[..., k])]
        rows.append((str(k), *(f"{v:.4f}" for v in (*was, now, *moved))))
    note = "" if start is not None else missing("how they began is not known: the run is no recipe's")
    return note + drawn + wide(rows)


def costs(model: Any, images: Any) -> str:
    """Time and memory of a training step, layer by layer."""
    count = min(BATCH, images.count)
    spent = layer_times(model, images.rows(slice(count)), models.targets(model, images, count))
    plan, rows = model.plan(count), []
    for name, (forward, backward) in spent.items():
        mine = [row for row in plan if row.layer == name]
        kept, flops = sum(row.kept_bytes for row in mine), sum(row.flops for row in mine)
        times = f"{forward * 1e3:.3f}", f"{backward * 1e3:.3f}"
        rows.append((name, *times, f"{kept / 1024:,.0f}", f"{flops / 1e6:,.1f}"))
    with picture(8, 0.5 + 0.28 * len(rows)) as figure:
        axes = figure.subplots()
        names, start = [row[0] for row in rows], np.array([1e3 * f for f, _ in spent.values()])
        axes.barh(names, start, label="forward")
        axes.barh(names, [1e3 * b for _, b in spent.values()], left=start, label="backward")
        axes.invert_yaxis()
        axes.set_xlabel(f"ms for {count} images")
        axes.legend()
    where = f"{count} images, each op by itself, when this page was made, on {model.backend.describe()}"
    words = f"<p>{escape(where)}; {escape(plan.total())}.</p>"
    heads = ("layer", "forward, ms", "backward, ms", "kept for backward, KiB", "MFLOP")
    return words + inlined(figure, "time per layer") + wide([heads, *rows])


class Told(NamedTuple):
    """What the first output that tells classes says of the images.

    labels (N,);  answers (N, classes): of one probability p both, 1 - p and p;  aims: what trace takes of image n and
    a class
    """

    labels: np.ndarray
    answers: np.ndarray
    aims: Callable
    title: str

    @classmethod
    def of(cls, model: Any, images: Any) -> "Told | None":
        """None where no output with targets tells classes."""
        ends, answers = models.outputs(model), flat(model.predict(images.x, verbose=0))
        for k, (name, shape, loss) in enumerate(ends):
            y, binary = images.of(k), shape == (1,) and getattr(loss, "name", "") == "binary_crossentropy"
            if y is None or not (binary or models.tells_classes(model, k, y)):
                continue
            labels = y.reshape(len(y)) if binary else y if y.ndim == 1 else y.argmax(-1)

            def aims(n, said, k=k):
                every = enumerate(zip(ends, answers, strict=True))
                found = [said if i == k else believed(end[2], one[n]) for i, (end, one) in every]
                return found if len(found) > 1 else said

            both = np.concatenate([1 - answers[k], answers[k]], axis=1) if binary else answers[k]
            return cls(labels.astype(np.int64), both, aims, f"<p>Of {escape(name)}.</p>" if len(ends) > 1 else "")
        return None


# the page -------------------------------------------------------------------------------------------------------------


def write(folder: Path, data: Path | None, out: Path, device: str = "cpu") -> int:
    """Write the report of a run's folder; its size in bytes."""
    received = "a file" if folder.exists() else "none"
    require(folder.is_dir(), str(folder), "a run's folder", received, error=ArgumentError)
    models.model_path(folder)
    check_folder(out.parent, "--out")
    model = models.load(folder, device)
    note = models.with_a_loss(model)
    facts, images = models.summary_of(folder), models.images_for(model, folder, data)
    labelled = images.y is not None
    require(labelled, str(folder), "images with targets y", "without", "name them with --data", error=ArgumentError)
    told = Told.of(model, images)
    run = models.run_of(folder, data if data is not None and data.is_dir() else None)
    recipe = loaded = before = None
    if run is not None:
        (recipe, args), seed = run, models.seed_of(folder)
        loaded, before = digits.load(recipe, args, seed), initial(recipe, facts, seed)
    none = missing("no output of the model tells classes")
    sections = {
        "The run": lambda: about(model, facts, folder) + (missing(note) if note else ""),
        "Curves": lambda: curves(folder),
        "Layers while they learnt": lambda: statistics(model, facts, images),
        "Confusion matrix": lambda: told.title + confusion(told.labels, told.answers) if told else none,
        "Worst errors": lambda: told.title + worst(model, images, told) if told else none,
        "Augmented samples": lambda: augmented(recipe, loaded),
        "Filters": lambda: filters(model, before),
        "Time and memory": lambda: costs(model, images),
    }
    body = f"<p>Judged on {images.count:,} images: {escape(images.place)}.</p>" + "".join(
        f"<section><h2>{name}</h2>{make()}</section>\n" for name, make in sections.items()
    )
    page = PAGE.format(title=escape(f"minicnn: {facts.get('recipe', model.name)}"), body=body).encode()
    expected = f"a page of less than {LARGEST:,} bytes"
    require(len(page) < LARGEST, str(out), expected, f"{len(page):,}", error=ArgumentError)
    with atomic_write(out) as file:
        file.write(page)
    return len(page)


def initial(recipe: Any, facts: dict, seed: int) -> Any:
    """The recipe's network as it began; None if its options are not the recipe's."""
    options = facts.get("options")
    options = {k: v for k, v in (options if isinstance(options, dict) else {}).items()
               if k in recipe.options and type(v) is type(recipe.options[k])}  # fmt: skip
    try:
        return built(recipe, options, seed=seed, kernels="numpy_ref")
    except MinicnnError:
        return None


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="minicnn report", description=__doc__, epilog=f"example:  {EXAMPLE}")
    p.add_argument("run", type=Path, metavar="RUN", help=f"a run's folder: {models.MODEL}, history.csv, summary.json")
    p.add_argument("--data", type=Path, metavar="FILE", help="images with labels, .npz (x, y) or Kaggle's folder; "
                   "default: what the run was judged by")  # fmt: skip
    p.add_argument("--out", type=Path, metavar="FILE", help="default RUN/report.html")
    p.add_argument("--device", choices=["cpu", "cuda", "auto"], default="cpu", help="what computes (default cpu)")
    return p


def main(words: list[str]) -> int:
    args = parser().parse_args(words)
    out = args.out or args.run / "report.html"
    try:
        size = write(args.run, args.data, out, args.device)
    except (MinicnnError, OSError) as error:
        print(f"minicnn report: {error}", file=sys.stderr)
        return 2
    print(f"wrote {out}, {size:,} bytes; any browser opens it, offline too")
    return 0
