"""Loops on all threads, and tasks for threads that are not equally fast.

      @kernel
      def _add(k, thread, x, y, blocks):      # task k of `blocks`; `thread`: whose scratch memory it may use
          ...

      _add(blocks, x, y, blocks)              # from Python: all tasks k < blocks

Each thread begins with a share of its own, and then helps the others:

      thread 0    [ 0  1  2  3  4 ]            in order: what lies side by side is worked on by one core,
      thread 1    [ 5  6  7  8  9 ]            and a task can fetch what the next one will read
                             ^
                  taken by thread 0, which has done its own while the other core was busy with something else

Why not OpenMP's own way: it gives each thread its part of a loop and waits for the slower one. On a machine that is
shared one core is often a fifth slower than the other, and beside one more process half as fast.

Why not Numba's prange: what is in it is compiled, and optimised, as a function, as a ufunc, as its wrapper and as what
calls that: a first epoch of network A took 52 s to compile, with this loop instead 30.

A result must not depend on who computed it: sums are kept per task and added up in the order of the tasks.

A forked process inherits memory, but no threads. GNU OpenMP, and so Numba, ends a child that asks for them. So a child
of a process whose threads had started computes on the one thread it has: the same bytes, and a pool of processes keeps
the cores busy by itself. Numba's own layer `workqueue` runs one loop at a time: Python's threads take turns there.
"""

import contextlib
import inspect
import os
import threading
from collections.abc import Callable
from functools import partial, update_wrapper
from types import CodeType, FunctionType
from typing import Any, Concatenate, ParamSpec

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.np.ufunc import threading_layer

from ..codegen.jit import inner, intrinsic, outer

I64, BYTES = ir.IntType(64), ir.IntType(8).as_pointer()
LINE = 8  # integers of a cache line: each counter has one to itself
# void (fn, args, dimensions, steps, data, inner dimensions, arrays, threads): Numba's threads, whichever it has, call
# fn(args, dimensions, steps, data) for parts of 0 .. dimensions[0]-1; args[0] moves on by steps[0] with each number.
# The number of threads must be that of get_num_threads(): Numba keeps it for all loops to come.
NUMBA_FOR = ir.FunctionType(ir.VoidType(), [BYTES] * 5 + [I64] * 3)
UFUNC = ir.FunctionType(ir.VoidType(), [BYTES.as_pointer(), I64.as_pointer(), I64.as_pointer(), BYTES])
Arguments = ParamSpec("Arguments")
_turns: contextlib.AbstractContextManager | None = None  # what a call waits for; None: Numba has not started
_KERNELS: list[Any] = []  # what `parallel` makes, with its functions `compiled` and `guarded`
_alone = False  # forked from a process whose threads had started


def parallel(function: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """`outer` for a function that calls `parallel_for`."""
    compiled: Any = outer(function)

    def guarded(*arguments: Any) -> None:
        turns = _turns or _start()
        if _alone:
            numba.set_num_threads(1)  # Numba keeps this number for each of Python's threads
        elif isinstance(turns, contextlib.nullcontext):
            _aim(kernel, compiled)  # nothing to look after: until a fork, calls cost what a compiled function's cost
        with turns:
            compiled(*arguments)

    kernel: Any = update_wrapper(partial(guarded), function)
    kernel.compiled, kernel.guarded = compiled, guarded
    _KERNELS.append(kernel)
    return kernel


def kernel(function: Callable[Concatenate[Any, Any, Arguments], None]) -> Callable[Concatenate[int, Arguments], None]:
    """The kernel (count, *arguments) that does function(k, thread, *arguments) for all k < count, on all threads.

    Its own function is written here, with the names of the task's arguments, and says that it stands where the task
    does: Numba looks for its machine code there. *arguments would do, but Numba finds the type of a tuple slowly.
    """
    names = ", ".join(list(inspect.signature(function).parameters)[2:])
    text = f"def {function.__name__}(count, {names}):\n    parallel_for(task, count, ({names},))"
    (code,) = (c for c in compile(text, function.__code__.co_filename, "exec").co_consts if isinstance(c, CodeType))
    code = code.replace(co_firstlineno=function.__code__.co_firstlineno)
    known = {"__name__": function.__module__, "parallel_for": parallel_for, "task": inner(function)}
    return parallel(FunctionType(code, known))


def _aim(kernel: Any, function: Callable) -> None:
    """Let a kernel call `function`."""
    kernel.__setstate__((function, (), {}, kernel.__dict__))


def alone() -> bool:
    """Whether this process was forked from one that had started its threads, and so computes on one."""
    return _alone


def _start() -> contextlib.AbstractContextManager:
    """Start Numba's threads, before which compiled code cannot find them, and learn what they can stand: `_turns`."""
    global _turns
    numba.get_num_threads()
    _turns = threading.Lock() if threading_layer() == "workqueue" else contextlib.nullcontext()
    return _turns


def _forked() -> None:
    """In the child, right after a fork."""
    global _turns, _alone
    _turns = None  # a thread of the parent's may have held it
    for kernel in _KERNELS:
        _aim(kernel, kernel.guarded)
    with contextlib.suppress(ValueError):  # they had not started
        threading_layer()
        _alone = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _thread_function(context, module, job, task):
    """The LLVM function that a thread runs, see UFUNC: tasks that nobody else takes, of its own share first.

    job: the type of what threads share, {counters, threads, tasks, failed, *arguments}. task: the compiled function.
    """
    function = ir.Function(module, UFUNC, module.get_unique_name(f"{task.fndesc.llvm_func_name}.thread"))
    function.linkage = "internal"
    arrays, dimensions, _, data = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    shared = builder.bitcast(data, job.as_pointer())
    counters, threads, tasks, _, *arguments = (
        builder.load(_field(builder, shared, n)) for n in range(len(job.elements))
    )
    called = context.declare_function(module, task.fndesc)
    first = builder.sub(builder.ptrtoint(builder.load(arrays), I64), builder.ptrtoint(counters, I64))

    # for own in first .. first + dimensions[0] - 1:  for share in own, own + 1, ... of all threads, in a circle:
    with (
        cgutils.for_range(builder, builder.load(dimensions)) as part,
        cgutils.for_range(builder, threads) as other,
    ):
        own = builder.add(first, part.index)
        share = builder.urem(builder.add(own, other.index), threads)
        start, end = (builder.udiv(builder.mul(n, tasks), threads) for n in (share, builder.add(share, I64(1))))
        counter = builder.gep(counters, [builder.mul(share, I64(LINE))])
        more, call, done = (builder.append_basic_block(label) for label in ("more", "call", "done"))
        builder.branch(more)

        builder.position_at_end(more)  # while (k = start + counter++) < end:
        k = builder.add(start, builder.atomic_rmw("add", counter, I64(1), "monotonic"))
        builder.cbranch(builder.icmp_signed("<", k, end), call, done)

        builder.position_at_end(call)  # task(k, own, *arguments)
        given = [k, own, *arguments]
        status, _ = context.call_conv.call_function(builder, called, types.none, task.signature.args, given)
        with cgutils.if_unlikely(builder, status.is_error):
            builder.store(I64(1), _field(builder, shared, 3))
        builder.branch(more)

        builder.position_at_end(done)
    builder.ret_void()
    return function


def _field(builder, pointer, n):
    return cgutils.gep_inbounds(builder, pointer, 0, n)


def _borrowed(context, builder, kind: Any, value):
    """An argument, its arrays without owner: the caller keeps them, and threads that count references to the same array
    wait for each other.
    """
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        for owner in ("meminfo", "parent"):
            setattr(array, owner, cgutils.get_null_value(getattr(array, owner).type))
        return array._getvalue()
    elif isinstance(kind, types.BaseTuple):
        members: Any = kind  # iterable, though Numba's class does not say so
        for n, member in enumerate(members):
            part = _borrowed(context, builder, member, builder.extract_value(value, n))
            value = builder.insert_value(value, part, n)
    return value


def _run(builder, function, counters, parts, data):
    """function(args, dimensions, steps, data) for so many parts: one for each thread, or one, here."""
    first = cgutils.alloca_once_value(builder, builder.bitcast(counters, BYTES))
    dimensions, steps = cgutils.alloca_once_value(builder, parts), cgutils.alloca_once_value(builder, I64(1))
    with builder.if_else(builder.icmp_signed(">", parts, I64(1))) as (many, one):
        with many:
            numba_for = cgutils.get_or_insert_function(builder.module, NUMBA_FOR, "numba_parallel_for")
            given = [builder.bitcast(pointer, BYTES) for pointer in (function, first, dimensions, steps, data)]
            builder.call(numba_for, [*given, I64(0), I64(1), parts])
        with one:
            builder.call(function, [first, dimensions, steps, data])


@intrinsic
def parallel_for(typingctx, task, count, arguments):
    """task(k, thread, *arguments) for all k < count, on all threads; `thread` is the number of the one that does it."""
    kinds = types.int64, types.int64, *(types.unliteral(kind) for kind in arguments)
    task.get_call_type(typingctx, kinds, {})
    compiled = task.dispatcher.overloads[kinds]
    if compiled.signature.return_type != types.none:
        raise TypingError(f"parallel_for: expected a task that returns nothing, received one that returns "
                          f"{compiled.signature.return_type}")  # fmt: skip

    def codegen(context, builder, signature, values):
        _, count, arguments = values
        arguments = [
            _borrowed(context, builder, kind, builder.extract_value(arguments, n))
            for n, kind in enumerate(signature.args[2])
        ]
        job = ir.LiteralStructType([I64.as_pointer(), I64, I64, I64, *(value.type for value in arguments)])
        function = _thread_function(context, builder.module, job, compiled)
        context.add_linking_libs([compiled.library])
        get = cgutils.get_or_insert_function(builder.module, ir.FunctionType(I64, []), "get_num_threads")
        threads = builder.call(get, [])
        counters = builder.alloca(I64, builder.mul(threads, I64(LINE)))
        cgutils.memset(builder, counters, builder.mul(threads, I64(8 * LINE)), 0)
        shared = cgutils.alloca_once(builder, job)
        for n, value in enumerate([counters, threads, count, I64(0), *arguments]):
            builder.store(value, _field(builder, shared, n))
        parts = builder.select(builder.icmp_signed(">", count, I64(1)), threads, I64(1))  # for one task none is woken
        _run(builder, function, counters, parts, builder.bitcast(shared, BYTES))
        failed = builder.icmp_signed("!=", builder.load(_field(builder, shared, 3)), I64(0))
        with cgutils.if_unlikely(builder, failed):
            context.call_conv.return_user_exc(builder, RuntimeError, ("a kernel failed on one of its threads",))
        return context.get_dummy_value()

    given: Any = types.BaseTuple.from_types(kinds[2:])
    return types.void(task, types.int64, given), codegen
