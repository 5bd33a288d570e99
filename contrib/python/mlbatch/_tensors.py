# SPDX-License-Identifier: BSD-3-Clause
"""Torch tensors as numpy arrays of the same memory, and the other way.

Nothing here imports torch unless the program has done so."""
import sys

import numpy as np

from . import _dtypes
from ._library import usage

# torch's name of a type -> ours.
_TORCH = {
    "float64": "f64", "float32": "f32", "float16": "f16",
    "bfloat16": "bf16", "int64": "i64", "int32": "i32", "int16": "i16",
    "int8": "i8", "uint64": "u64", "uint32": "u32", "uint16": "u16",
    "uint8": "u8", "bool": "bool", "float8_e4m3fn": "e4m3",
    "float8_e5m2": "e5m2", "complex64": "c64", "complex128": "c128",
}
_OF_OURS = {ours: name for name, ours in _TORCH.items()}
# What holds the values of a type that this torch lacks, exactly.
_WIDER = {"u16": "int32", "u32": "int64", "u64": "int64"}


def is_tensor(value):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def as_array(value, dtype=None):
    """(array, name of its type) of a numpy array or a torch tensor, in C
    order; the same memory where that is possible."""
    if not is_tensor(value):
        array = _dtypes.packed(value)
        return array, _dtypes.name_of(array, dtype)
    array, name = _of_tensor(value)
    if dtype not in (None, name):
        raise usage(f"a tensor of {name} is not {dtype}")
    return array, name


def torch_dtype(name):
    """torch's type of one of ours, or None if this torch has none."""
    return getattr(sys.modules["torch"], _OF_OURS[name], None)


def name_of_tensor(tensor):
    """Our name of a tensor's type, if it can be saved."""
    name = _TORCH.get(str(tensor.dtype).partition(".")[2])
    if name is None:
        raise usage(f"tensors of {tensor.dtype} cannot be saved")
    if tensor.layout != sys.modules["torch"].strided or tensor.is_meta:
        raise usage(f"tensors of layout {tensor.layout} on {tensor.device} "
                    "cannot be saved")
    return name


def _of_tensor(tensor):
    torch = sys.modules["torch"]
    name = name_of_tensor(tensor)
    tensor = tensor.detach().resolve_conj().resolve_neg().contiguous()
    if tensor.device.type != "cpu":
        tensor = to_host(tensor)
    if tensor.dtype in _bits(torch):
        tensor = tensor.view(_bits(torch)[tensor.dtype])
    return tensor.numpy().view(_dtypes.NUMPY[name]), name


def to_host(tensor):
    """A copy in the computer's memory, pinned for CUDA, which is faster."""
    torch = sys.modules["torch"]
    host = torch.empty(tensor.shape, dtype=tensor.dtype,
                       pin_memory=tensor.device.type == "cuda")
    return host.copy_(tensor)


def _bits(torch):
    """Types that numpy lacks -> integers of the same size."""
    sizes = {"bf16": torch.int16, "e4m3": torch.uint8, "e5m2": torch.uint8}
    return {torch_dtype(name): bits for name, bits in sizes.items()
            if torch_dtype(name) is not None}


def as_tensor(array, name):
    """A torch tensor over the memory of a writable numpy array of one of our
    types. Unsigned integers that this torch lacks are copied to wider ones;
    8-bit floats that it lacks stay uint8."""
    torch = sys.modules["torch"]
    kind = torch_dtype(name)
    if kind is None and name in _WIDER:
        if name == "u64" and array.size and int(array.max()) >> 63:
            raise usage("values of 2^63 and more do not fit into a tensor")
        array = array.astype(_WIDER[name])
    if name == "bf16":
        array = array.view(np.int16)
    if name in ("u16", "u32", "u64") and kind is not None:
        array = array.view(array.dtype.str.replace("u", "i"))
    tensor = torch.from_numpy(array)
    return tensor if kind in (None, tensor.dtype) else tensor.view(kind)
