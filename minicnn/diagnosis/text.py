"""Facts and problems -> the report's lines: a column of labels, then what was found; below it what to do."""

import textwrap

from ..backend import gpu_report

GIB, MIB = 2**30, 2**20
LABEL = 10  # columns
WIDTH = 110


def lines(found: dict) -> list[str]:
    """The whole report."""
    out = []
    for name, describe in SUBJECTS.items():
        facts = found[name]
        described = [facts["error"]] if "error" in facts else describe(facts)
        for row, line in enumerate(described):
            out.append(f"{name if row == 0 else '':{LABEL}}{line}")
    works = ", ".join(f"{name} {'works' if ok else 'does not work'}" for name, ok in found["devices"].items())
    out += ["", works]
    for problem in found["problems"]:
        out += [f"- {problem['what']}", f"  fix: {problem['fix']}"]
    return out


def _minicnn(facts: dict) -> list[str]:
    commit = f", commit {facts['commit']}" if facts["commit"] else ""
    return [f"{facts['version']}, {facts['origin']} (.../{facts['folder']}){commit}"]


def _system(facts: dict) -> list[str]:
    cores = f"{facts['cores']} of {facts['cores_in_all']} cores usable"
    if facts["quota"]:
        cores += f", the time of {facts['quota']:.1f} granted"
    memory = ""
    if facts["memory"]:
        memory = f", {facts['memory'] / GIB:.1f} GiB of memory"
        if facts["memory_free"]:
            memory += f", {facts['memory_free'] / GIB:.1f} free"
    return [f"Python {facts['python']}, {facts['platform']}", f"{facts['cpu']}, {cores}{memory}"]


def _settings(facts: dict) -> str:
    return "".join(f"; {name}={text}" for name, text in facts["settings"].items())


def _numpy(facts: dict) -> list[str]:
    asked = [f"{facts['threads']} threads" if facts["threads"] else "", facts["architecture"] or ""]
    return [", ".join(filter(None, (facts["version"], facts["blas"], *asked))) + _settings(facts)]


def _numba(facts: dict) -> list[str]:
    if facts["version"] is None:
        return ["not installed"]
    threads = f"{facts['threads']} threads" if facts["threads"] else "no threads"
    layer = {"workqueue": "layer workqueue (one Python thread at a time)", None: ""}.get(
        facts["layer"], f"layer {facts['layer']}"
    )
    described = [", ".join(filter(None, (facts["version"], threads, layer))) + _settings(facts)]
    if facts["tile"]:
        described.append(f"CPU {facts['cpu']}, register tile {facts['tile']}")
    if cache := facts["cache"]:
        state = "can be written" if cache["writable"] else "READ-ONLY"
        full = f"{cache['files']} kernels, {cache['bytes'] / MIB:.1f} MiB" if cache["files"] else "empty"
        described.append(f"cache {cache['place']}, {state}, {full}")
    return described


def _kernels(facts: dict) -> list[str]:
    """One line where one set serves all, else one paragraph per set."""
    table = facts["table"]
    if not table:
        return [f"{facts['set']} does not load"]
    sets = dict.fromkeys(table.values())
    if len(sets) == 1:
        return [f"{next(iter(sets))} serves all {len(table)}"]
    described = []
    for name in sets:
        names = " ".join(kernel for kernel, served in table.items() if served == name)
        described += textwrap.wrap(f"{name}: {names}", WIDTH - LABEL, subsequent_indent="  ")
    return described


def _packages(facts: dict) -> list[str]:
    there = ", ".join(f"{name} {version}" for name, version in facts.items() if version)
    missing = ", ".join(name for name, version in facts.items() if not version)
    text = "; ".join(filter(None, (there, missing and f"not installed: {missing}")))
    return textwrap.wrap(text, WIDTH - LABEL)


def _data(facts: dict) -> list[str]:
    def yes(found):
        return "yes" if found else "no"

    root = "not set" if facts["minicnn_data"] is None else yes(facts["minicnn_data"])
    if facts["minicnn_data"]:
        root += f" (kaggle: {yes(facts['kaggle'])}, mnist: {yes(facts['mnist'])})"
    return [f"MINICNN_DATA: {root}; ./data: {yes(facts['local'])}"]


SUBJECTS = {
    "minicnn": _minicnn,
    "system": _system,
    "numpy": _numpy,
    "numba": _numba,
    "kernels": _kernels,
    "packages": _packages,
    "data": _data,
    "gpu": gpu_report.lines,
}
