"""The programs that count argument lists and compare machine code: what they say of made-up files."""

import pytest

from benchmarks import argument_lists, machine_code

UNTYPED = 0.02  # share of minicnn's public functions whose signatures are not complete: at most; it should sink
LONG = 8  # arguments of a function of numba_cpu: at most


def test_argument_lists_do_not_grow():
    found = list(argument_lists.lists(argument_lists.ROOT / "kernels" / "numba_cpu"))
    assert [name for number, name in found if number > LONG] == []
    assert len(found) > 300


def test_every_argument_counts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(argument_lists, "ROOT", tmp_path)
    (tmp_path / "a.py").write_text("def f(a, /, b, *c, d, **e):\n    def g(): pass\n")
    assert sorted(argument_lists.lists(tmp_path)) == [(0, "a.py:2 g"), (5, "a.py:1 f")]
    assert argument_lists.main([".", "--most", "4", "--list"]) == 1
    assert "longest list 5" in capsys.readouterr().out


@pytest.mark.slow
def test_signatures_do_not_lose_their_types():
    found = [what for _, what in argument_lists.untyped(argument_lists.ROOT / "minicnn")]
    assert sum(map(bool, found)) <= UNTYPED * len(found)
    assert len(found) > 1500


def test_an_argument_without_a_type_is_found(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(argument_lists, "ROOT", tmp_path)
    (tmp_path / "_private.py").write_text("def f(a): pass\n")
    (tmp_path / "a.py").write_text(
        "def f(a: int, *b, c: int, **d) -> None: pass\n"
        "def _g(a): pass\n"
        "class C:\n"
        "    def __init__(self, a: int): pass\n"
        "    def __call__(self): pass\n"
        "    def _h(self, a): pass\n"
        "    @staticmethod\n"
        "    def s(a) -> int: pass\n"
    )
    assert [(name.split()[1], what) for name, what in argument_lists.untyped(tmp_path)] == [
        ("f", "b, d"), ("C.__init__", ""), ("C.__call__", "return"), ("C.s", "a"),
    ]  # fmt: skip
    assert argument_lists.main([".", "--untyped"]) == 1
    assert "3 of 4 public functions" in capsys.readouterr().out


OLD = f"mov 0x8(%rsp),%rax\nret\n\n{machine_code.ENTRY}\npush %rbp\nret\n"


@pytest.mark.parametrize(("new", "code", "verdict"), [
    (OLD, 0, "the same: 1"),
    (OLD.replace("0x8", "0x10"), 0, "the same instructions, other offsets: 1"),
    (OLD.replace("push %rbp\n", ""), 0, "the same on the threads; arguments are put down in another order: 1"),
    (OLD.replace("mov 0x8(%rsp),%rax\n", ""), 1, "other instructions: 1"),
])  # fmt: skip
def test_machine_code_is_told_apart(tmp_path, capsys, new, code, verdict):
    for folder, text in (("before", OLD), ("after", new)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "dense.product.0.s").write_text(text)
    assert machine_code.compare(tmp_path / "before", tmp_path / "after") == code
    assert verdict in capsys.readouterr().out
