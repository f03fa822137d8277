"""minicnn report's page in a browser: alone, accessible, with everything that a run can tell."""

from pathlib import Path

import pytest

from minicnn.__main__ import main

from . import test_page
from .test_page import accessible, chromium, visited  # noqa: F401  (a fixture)

pytestmark = [*test_page.pytestmark, pytest.mark.slow]
SECTIONS = {  # what each shows, as the heads of its table
    "The run": ("command", "seed", "versions", "epochs"),
    "Curves": ("epoch", "loss", "val_loss", "learning_rate"),
    "Layers while they learnt": ("activation, rms", "zeros", "dead channels", "dL/d output, rms", "dL/d weights, rms",
                                 "update / weights, an epoch"),
    "Confusion matrix": ("label \\ predicted",),
    "Worst errors": ("image", "label", "predicted", "Grad-CAM peak (row, column)"),
    "Augmented samples": ("digit", "mean, try 1", "change (rms), try 3"),
    "Filters": ("filter", "norm before", "norm after", "change"),
    "Time and memory": ("layer", "forward, ms", "backward, ms", "kept for backward, KiB", "MFLOP"),
}  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "run"
    words = ["--limit", "96", "--epochs", "2", "--kernels", "numpy_ref", "--quiet", "--seed", "4"]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MINICNN_DATA", raising=False)
        patch.chdir(folder.parent)
        assert main(["train", *words, "--out", str(folder)]) == 0
        assert main(["report", str(folder)]) == 0
    return folder / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing_in_a_report(chromium, report, width, scheme):  # noqa: F811
    with visited(chromium, report.as_uri(), "h1", width=width, color_scheme=scheme) as page:
        if test_page.PICTURES:
            page.screenshot(path=f"{test_page.PICTURES}/report_{width}_{scheme}.png", full_page=True)
        accessible(page)


def test_every_section_has_pictures_with_numbers_beside_them(chromium, report):  # noqa: F811
    assert report.stat().st_size < 2_000_000
    with visited(chromium, report.as_uri(), "h1") as page:
        assert page.locator("section h2").all_inner_texts() == list(SECTIONS)
        for section, (name, heads) in zip(page.locator("section").all(), SECTIONS.items(), strict=True):
            text = section.locator("table").first.inner_text()
            assert [head for head in heads if head not in text] == [], name
            if name not in ("The run", "Layers while they learnt"):
                assert section.locator("img").count() >= 1, name
        layers = page.locator("section").nth(2)
        assert layers.locator("svg").count() > 20  # a curve over the epochs in every cell
        broken = page.locator("img").evaluate_all("all => all.filter(one => !one.naturalWidth || !one.alt).length")
        assert broken == 0
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0  # tables scroll by themselves
    assert Path(report).read_text("utf-8").count("<script") == 0
