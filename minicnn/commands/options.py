"""The command line: every option once, and everything that can be checked before anything takes time."""

import argparse
import dataclasses
import re
from pathlib import Path

from minicnn.errors import ArgumentError, one_of, require
from minicnn.io import check_folder
from minicnn.recipes import BY_NAME, Recipe

from .parser import Parser


def parser(prog: str, description: str | None, name: str | None = None) -> Parser:
    """The options; `name` fixes the recipe."""
    p = Parser(prog=prog, description=description)
    if name is None:
        p.add_argument("name", metavar="NAME", help=", ".join(BY_NAME))
        p.add_argument("--option", nargs="+", default=[], metavar="NAME=VALUE", help="of the network: axis=-1, ...")
        p.add_argument("--embedded", action="store_true", help="a rehearsal on the digits that scikit-learn carries")
    else:
        p.add_argument("--recipe", default=name, metavar="NAME", help=f"default {name}; others: minicnn record --help")
    p.set_defaults(**{"name": name} if name else {}, prog=prog, records=name is None, note="", words=None)
    where = "$MINICNN_DATA/kaggle, then ./data" if name else "under $MINICNN_DATA, then the usual places"
    p.add_argument("--data", type=Path, metavar="DIR", help=f"folder with the files, plain or .gz; default {where}")
    p.add_argument(
        "--device",
        choices=["cpu", "cuda", "auto"],
        default="cpu",
        help="what computes: cpu (default), cuda (an NVIDIA GPU), auto (the GPU if there is one)",
    )
    precision = "of the GPU's matrix products: float32 (default) or 3xtf32 (exact), tf32 or bf16 (fast)"
    p.add_argument("--precision", choices=["float32", "3xtf32", "tf32", "bf16"], help=precision)
    p.add_argument(
        "--kernels",
        choices=["auto", "numba_cpu", "numpy_ref", "cuda", "reference"],
        default="auto",
        help="who computes: auto (default: the device's fast ones), numpy_ref or reference (to be read)",
    )
    p.add_argument("--threads", type=int, metavar="N", help="at most so many on the CPU; default: all cores")
    epochs = f"{BY_NAME[name].epochs}, as published; on scikit-learn's digits 10" if name else "as published"
    several = "train with all processes that mpiexec has started; --batch-size is that of all together"
    p.add_argument("--distributed", action="store_true", help=several)
    p.add_argument("--epochs", type=int, metavar="N", help=f"default {epochs}")
    batch = f"{BY_NAME[name].batch_size}, as published; on scikit-learn's digits 32" if name else "as published"
    p.add_argument("--batch-size", type=int, metavar="N", help=f"images of a step; default {batch}")
    seeds = "of weights, order, dropout, augmentation; not of a published split; several: one run each; default 0"
    p.add_argument("--seed", type=int, nargs="+", default=[0], metavar="N", help=seeds)
    p.add_argument("--out", type=Path, metavar="DIR", help=f"default runs/{name or 'NAME'}")
    p.add_argument("--limit", type=int, metavar="N", help="a rehearsal: train on the first N rows only; default all")
    p.add_argument("--quiet", action="store_true", help="no progress while training")
    p.add_argument("--fresh", action="store_true", help="begin anew where the same command would go on")
    p.add_argument("--save-every", type=float, default=60.0, metavar="S", help="s between checkpoints; default 60")
    limit = (
        "8h, 45m, 1h30m, 600s: stop in good time before, with everything written; the same command goes on; no default"
    )
    p.add_argument("--time-limit", metavar="TIME", help=limit)
    p.add_argument("--patience", type=int, metavar="N", help="stop after N epochs without a better val_loss (never)")
    p.add_argument("--best", action="store_true", help="keep the best epoch's model too, as best.minicnn")
    return p


def seconds(text: str) -> float:
    """ "8h", "45m", "1h30m", "600s", "600" -> s."""
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text.strip().lower())
    total = sum(int(n or 0) * unit for n, unit in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0
    require(total > 0, "--time-limit", "a time like 8h, 45m, 1h30m or 600s", repr(text), error=ArgumentError)
    return float(total)


def check(args: argparse.Namespace) -> tuple[Recipe, dict]:
    """The recipe with the epochs and batch size that were asked for, and its network's options."""
    for flag, least in {"epochs": 1, "batch_size": 1, "limit": 10, "threads": 1, "patience": 1}.items():
        value, name = getattr(args, flag), "--" + flag.replace("_", "-")
        require(value is None or value >= least, name, f"a number of at least {least}", value, error=ArgumentError)
    args.seconds = None if args.time_limit is None else seconds(args.time_limit)
    recipe = BY_NAME[one_of("recipe", args.name, BY_NAME)]
    options = dict(recipe.options)
    for text in args.option:
        name, _, value = text.partition("=")
        where = f"--option {text}"
        require(bool(options), where, f"no option, as {recipe.name} has none", repr(name), error=ArgumentError)
        one_of(where, name, options)
        published = recipe.options[name]  # shows which kind of value it takes
        try:
            options[name] = type(published)(value)
        except ValueError:
            raise ArgumentError(f"{where}: expected a value like {published}, received {value!r}") from None
    watches = not (args.patience or args.best) or recipe.held_out
    require(bool(watches), "--patience, --best", f"held-out images, which {recipe.name} has none of", "them",
            error=ArgumentError)  # fmt: skip
    args.out = args.out or Path("runs", recipe.name)
    check_folder(args.out, "--out")
    given = {"epochs": args.epochs, "batch_size": args.batch_size}
    return dataclasses.replace(recipe, **{name: value for name, value in given.items() if value}), options
