# SPDX-License-Identifier: BSD-3-Clause
"""Published checkpoints: the latest valid one, and what is in it.

    checkpoint = mlbatch.latest("checkpoints")
    w = checkpoint.load("layer1/weight")

A handle belongs to one thread at a time.
"""
import ctypes
import json
import os
from ctypes import (POINTER, byref, c_char_p, c_double, c_int, c_size_t,
                    c_uint64, c_void_p)
from typing import NamedTuple

from . import _dtypes
from ._library import (ERROR, MAX_RANK, CBox, CTensor, Code, Error, Handle,
                       check, declare, encode, lib, usage, whole)

declare({
    "mlb_checkpoint_latest": (c_void_p, [c_char_p, c_char_p, c_size_t,
                                         ERROR]),
    "mlb_checkpoint_open": (c_void_p, [c_char_p, ERROR]),
    "mlb_checkpoint_close": (None, [c_void_p]),
    "mlb_checkpoint_step": (c_uint64, [c_void_p]),
    "mlb_checkpoint_path": (c_char_p, [c_void_p]),
    "mlb_checkpoint_tensors": (c_int, [c_void_p]),
    "mlb_checkpoint_tensor": (c_int, [c_void_p, c_int, POINTER(CTensor)]),
    "mlb_checkpoint_state": (c_char_p, [c_void_p, c_int,
                                        POINTER(c_uint64)]),
    "mlb_checkpoint_metric": (c_char_p, [c_void_p, c_int,
                                         POINTER(c_double)]),
    "mlb_checkpoint_load": (c_int, [c_void_p, POINTER(CTensor),
                                    POINTER(CBox), c_void_p, ERROR]),
    "mlb_checkpoint_load_state": (c_int, [c_void_p, c_char_p,
                                          POINTER(c_void_p),
                                          POINTER(c_uint64), ERROR]),
    "mlb_checkpoint_verify": (c_int, [c_void_p, ERROR]),
})

_free = ctypes.CDLL(None).free
_free.restype = None
_free.argtypes = [c_void_p]


def default_directory():
    """What the job file says where mlbatch started the program, else
    "checkpoints"."""
    return os.environ.get("MLB_CHECKPOINT_DIR") or "checkpoints"


class Tensor(NamedTuple):
    """A tensor of a checkpoint."""
    name: str
    dtype: str               # "f32", "bf16", ...
    shape: tuple             # of the whole tensor

    @property
    def numpy(self):
        """The numpy type; bf16 shows as u2, the 8-bit floats as u1."""
        return _dtypes.NUMPY[self.dtype]


def _fill(numbers, values, what):
    if len(values) > MAX_RANK:
        raise usage(f"{what}: more than {MAX_RANK} dimensions")
    for i, value in enumerate(values):
        numbers[i] = whole(value, what)


def as_box(origin, extent, rank, what):
    """A part of a tensor of rank dimensions, as the library wants it."""
    if len(origin) != rank or len(extent) != rank:
        raise usage(f"{what}: its box has not {rank} dimensions")
    box = CBox()
    _fill(box.origin, origin, what)
    _fill(box.extent, extent, what)
    return box


def as_tensor(name, dtype, shape, data=None):
    """A tensor as the library wants it; data: the address of its bytes."""
    tensor = CTensor(encode(name, "name"), _dtypes.NUMBERS[dtype],
                     len(shape), data=data)
    _fill(tensor.shape, shape, name)
    return tensor


class Checkpoint:
    """A published checkpoint, by the path of its file or directory. Its
    structure is checked now, the data when loaded.

    step; path; tensors {name: Tensor}; states {name: bytes};
    metrics {name: number}; note: which newer ones latest() had to skip, and
    why, or "".
    """

    def __init__(self, path):
        self._open(check(lib.mlb_checkpoint_open, encode(path, "path")), "")

    def _open(self, pointer, note):
        self._handle = Handle(self, pointer, lib.mlb_checkpoint_close)
        self.note = note
        self.step = lib.mlb_checkpoint_step(pointer)
        self.path = os.fsdecode(lib.mlb_checkpoint_path(pointer))
        self.tensors, self.states, self.metrics = {}, {}, {}
        for i in range(lib.mlb_checkpoint_tensors(pointer)):
            t = CTensor()
            lib.mlb_checkpoint_tensor(pointer, i, byref(t))
            name = t.name.decode()
            self.tensors[name] = Tensor(name, _dtypes.NAMES[t.dtype],
                                        tuple(t.shape[:t.rank]))
        self._list(lib.mlb_checkpoint_state, c_uint64(), self.states)
        self._list(lib.mlb_checkpoint_metric, c_double(), self.metrics)

    def _list(self, function, value, into):
        while True:
            name = function(self._handle.pointer, len(into), byref(value))
            if name is None:
                return
            into[name.decode()] = value.value

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._handle.close()

    def tensor(self, name):
        """The Tensor of that name; Error (NOT_FOUND) if there is none."""
        try:
            return self.tensors[name]
        except KeyError:
            raise Error(Code.NOT_FOUND,
                        f"{self.path}: no tensor '{name}'") from None

    def load(self, name, box=None, out=None):
        """A tensor, in out or a new array; its checksum is compared. box:
        (origin, extent), a part of it, however many ranks saved it."""
        t = self.tensor(name)
        shape = t.shape if box is None else tuple(box[1])
        out = _dtypes.out_array(out, t.dtype, shape)
        self.load_into(name, box, out.ctypes.data)
        return out

    def load_into(self, name, box, address):
        """The same into memory at address, which must be large enough."""
        t = self.tensor(name)
        part = None if box is None else byref(as_box(*box, len(t.shape), name))
        check(lib.mlb_checkpoint_load, self._handle.pointer,
              byref(as_tensor(*t)), part, address)

    def load_all(self, places):
        """Load whole tensors into memory, {name: address}, in the order of
        the file, which the library then reads ahead."""
        for name in self.tensors:
            if name in places:
                self.load_into(name, None, places[name])

    def state(self, name):
        """The bytes of a state."""
        data, length = c_void_p(), c_uint64()
        check(lib.mlb_checkpoint_load_state, self._handle.pointer,
              encode(name, "state"), byref(data), byref(length))
        try:
            return ctypes.string_at(data, length.value)
        finally:
            _free(data)

    def json(self, name):
        """A state that was saved as JSON."""
        try:
            return json.loads(self.state(name))
        except ValueError as error:
            raise Error(Code.BAD_INPUT, f"{self.path}: state '{name}' is no "
                        f"JSON: {error}") from None

    def verify(self):
        """Read everything and compare every checksum; an Error names the
        first that is damaged."""
        check(lib.mlb_checkpoint_verify, self._handle.pointer)


def _latest(directory):
    note = ctypes.create_string_buffer(512)
    try:
        pointer = check(lib.mlb_checkpoint_latest,
                        encode(directory, "directory"), note, len(note))
    except Error as error:
        if error.code == Code.NOT_FOUND:
            return None
        raise
    checkpoint = Checkpoint.__new__(Checkpoint)
    checkpoint._open(pointer, note.value.decode("utf-8", "replace"))
    return checkpoint


def latest(directory=None, group=None):
    """Open the newest valid Checkpoint of a directory (None: see
    default_directory), every byte of which has been checked; None if there
    is none at all. Error (BAD_INPUT) if there are, and all are damaged. With
    a group, rank 0 looks for it and all ranks open what it found."""
    directory = default_directory() if directory is None else directory
    if group is None:
        return _latest(directory)
    found, failed, answer = None, None, None
    if group.rank == 0:
        try:
            found = _latest(directory)
            answer = found and ["path", found.path, found.note]
        except Error as error:
            failed, answer = error, ["error", int(error.code), str(error)]
    answer = json.loads(group.share(json.dumps(answer)))
    if failed:
        raise failed
    if answer and answer[0] == "error":
        raise Error(answer[1], f"rank 0: {answer[2]}")
    if group.rank and answer:
        found = Checkpoint(answer[1])
        found.note = answer[2]
    return found
