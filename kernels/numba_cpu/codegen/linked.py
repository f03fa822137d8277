"""Vector code that is compiled once: LLVM functions in a library of their own, which compiled loops call by name.

What a Numba function calls becomes part of it, and is optimised again in everything around it: leaf, task, kernel.
Several times over, the vector code took most of the time of a first call. Here

    loops, on disk                call "minicnn.name"     a name only
    the library, on disk          the code, once          `load` finds where it came to lie, and tells LLVM

so the loops compile fast and the code is linked when they are loaded, as Numba does with its own functions in C.
"""

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils

from .jit import intrinsic, outer

_definitions = {}


def external(name: str, kinds, emit):
    """A function of a module that declares the LLVM function `name` (of arguments `kinds`, no result) there.

    emit(function): writes the function's body, for the library.
    """
    kind = ir.FunctionType(ir.VoidType(), kinds)
    _definitions[name] = kind, emit
    return lambda module: cgutils.get_or_insert_function(module, kind, name)


@intrinsic
def _addresses(typingctx):
    """Write all functions into this module and return where they lie."""

    def codegen(context, builder, signature, arguments):
        functions = []
        for name, (kind, emit) in _definitions.items():
            function = ir.Function(builder.module, kind, f"{name}.code")
            function.linkage = "internal"
            function.attributes.add("noinline")
            emit(function)
            functions.append(function)
        places = [builder.ptrtoint(function, ir.IntType(64)) for function in functions]
        return context.make_tuple(builder, signature.return_type, places)

    return types.UniTuple(types.int64, len(_definitions))(), codegen


def _compile(names):
    @outer
    def library():
        _ = names  # what a function encloses is part of the key that Numba finds it by on disk
        return _addresses()

    return library


def load():
    """Compile the library, or load it from disk, and make its functions known. Before the first call of a loop.

    The result must live as long as the loops.
    """
    library = _compile(" ".join(_definitions))
    for name, address in zip(_definitions, library(), strict=True):
        llvm.add_symbol(name, address)
    return library
