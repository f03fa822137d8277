"""Inner functions cost one translation instead of one per level of calls.

Numba optimises every function and turns it into machine code before it links it into those that call it, where it is
optimised again with its caller, and again with the caller's caller. Nobody calls an inner function by itself: here it
keeps the code that was written down for it, and only the outer function that it ends up in is optimised. Compiling the
kernels of a first training step takes a third less, and the machine code of the outer functions is what LLVM makes of
the whole, in one go.
"""

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.typed_passes import NoPythonSupportedFeatureValidation


class _NoEnvironments:
    """A code generator that does not tell a function where its Python globals are: in a part there is no address yet,
    and without an entry from Python nothing asks."""

    def __init__(self, codegen):
        self._codegen = codegen

    def __getattr__(self, name):
        return getattr(self._codegen, name)

    def set_env(self, name, environment):
        pass


class _Part(JITCodeLibrary):
    """The code of one inner function, verified and linked, neither optimised nor loaded into memory."""

    @property
    def codegen(self):
        return _NoEnvironments(self._codegen)

    def _optimize_functions(self, module):
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalized = True


@register_pass(mutates_CFG=False, analysis_only=False)
class _IntoPart(FunctionPass):
    _name = "minicnn_into_part"

    def __init__(self):
        super().__init__()

    def run_pass(self, state):
        state.library = _Part(state.targetctx.codegen(), state.func_id.func_qualname)
        return True


class PartCompiler(CompilerBase):
    """Numba's own passes, with a library of the kind above."""

    def define_pipelines(self):
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_IntoPart, NoPythonSupportedFeatureValidation)
        passes.finalize()
        return [passes]
