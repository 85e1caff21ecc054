"""Add up picked rows of a table in vector registers: the one primitive of the sparse first layer.

Written in LLVM's vector types because numba's loops would fetch and store the running sum at every
row. LLVM lowers the vectors to whatever the processor has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _gather_add(lanes: int, going_on: bool) -> Callable[..., None]:
    @intrinsic
    def gather_add(typing, out, place, table, column, rows, factors, begin, end):  # type: ignore[no-untyped-def]
        """Add sum over k in [begin, end) of factors[k] table[rows[k], column:column + lanes] to
        out.ravel()[place:place + lanes]. Nothing is checked: the caller keeps within bounds.

        `going_on` takes out for the first terms of the same sum, which is then rounded as if it had
        been run through at once; otherwise the sum begins at zero and is added when complete.
        """
        signature = types.void(out, types.intp, table, types.intp, rows, factors, *[types.intp] * 2)

        def code(context, builder, sig, arguments):  # type: ignore[no-untyped-def]
            arrays = [
                context.make_array(kind)(context, builder, value)
                for kind, value in zip(sig.args, arguments, strict=True)
                if isinstance(kind, types.Array)
            ]
            target, source, indices, scales = (array.data for array in arrays)
            stride = cgutils.unpack_tuple(builder, arrays[1].shape)[1]
            start, offset, first, last = arguments[1], arguments[3], arguments[6], arguments[7]
            vector = ir.VectorType(context.get_data_type(out.dtype), lanes)
            undefined, zeros = (
                ir.Constant(vector, ir.Undefined),
                ir.VectorType(ir.IntType(32), lanes),
            )
            align = out.dtype.bitwidth // 8
            fused = ("contract", "nsz")

            def pointer(base, index):  # type: ignore[no-untyped-def]
                return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())

            there = pointer(target, start)
            begun = builder.load(there, align=align) if going_on else ir.Constant(vector, None)
            total = cgutils.alloca_once_value(builder, begun)
            with cgutils.for_range_slice(builder, first, last, first.type(1)) as (k, _):
                row = builder.zext(builder.load(builder.gep(indices, [k])), stride.type)
                here = pointer(source, builder.add(builder.mul(row, stride), offset))
                factor = builder.load(builder.gep(scales, [k]))
                factor = builder.insert_element(undefined, factor, ir.IntType(32)(0))
                factor = builder.shuffle_vector(factor, undefined, ir.Constant(zeros, None))
                term = builder.fmul(factor, builder.load(here, align=align), flags=fused)
                builder.store(builder.fadd(builder.load(total), term, flags=fused), total)
            result = builder.load(total)
            if not going_on:
                result = builder.fadd(builder.load(there, align=align), result)
            builder.store(result, there, align=align)
            return context.get_dummy_value()

        return signature, code

    return gather_add


@intrinsic
def _fetch(typing, values, begin, end):  # type: ignore[no-untyped-def]
    """Ask for values[begin:end] to be brought near the core: a hint, which changes no value."""

    def code(context, builder, sig, arguments):  # type: ignore[no-untyped-def]
        array = context.make_array(sig.args[0])(context, builder, arguments[0])
        step = arguments[1].type(LINE // (values.dtype.bitwidth // 8))
        integer, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        signature = ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [byte], signature)
        with cgutils.for_range_slice(builder, arguments[1], arguments[2], step) as (k, _):
            here = builder.bitcast(builder.gep(array.data, [k]), byte)
            # To read, into the second level of caches, as data.
            builder.call(hint, [here, integer(0), integer(2), integer(1)])
        return context.get_dummy_value()

    return types.void(values, types.intp, types.intp), code


# Bytes that come from memory together.
LINE = 64
# The first hidden layer is padded to a multiple of LANES.
LANES = 64
fetch: Any = _fetch
gather_add: Any = _gather_add(LANES, going_on=False)
gather_on: Any = _gather_add(LANES, going_on=True)
