# SPDX-License-Identifier: BSD-3-Clause
"""Nested state (dicts, lists, numbers, tensors) as JSON with types, and a
table of the tensors and arrays in it. Nothing in it is ever executed.

None, bools, whole numbers, finite numbers, strings, lists and dicts of
string keys are what JSON has for them. All else is an object with the key
"$", which says what it is:

    {"$": "float", "value": "nan"}          nan, inf, -inf
    {"$": "tuple" | "size", "items": [...]}
    {"$": "dict" | "ordered" | "counter", "items": [[key, value], ...]}
    {"$": "bytes", "value": BASE64}         {"$": "complex", "value": [r, i]}
    {"$": "tensor", "name": NAME, "device": "cuda:0"}
    {"$": "array" | "scalar", "name": NAME} numpy
    {"$": "dtype" | "device", "value": "float32"}     torch's
"""
import base64
import collections
import math
import re
import sys

import numpy as np

from . import _tensors
from ._library import Code, Error, usage

_DEEPEST = 100
_LONGEST = 200


class Names:
    """Names for tensors: by where they are in the tree, each once, and none
    a folder of another."""

    def __init__(self):
        self._taken, self._folders = set(), set()

    def make(self, where):
        parts = [re.sub(r"[^A-Za-z0-9_+=@-]", "_", part) or "_"
                 for step in where for part in str(step).split(".")]
        base = "/".join(parts)[:_LONGEST].rstrip("/")
        name, n = base, 1
        while not self._free(name):
            n += 1
            name = f"{base}~{n}"
        self._taken.add(name)
        self._folders.update(self._parents(name))
        return name

    def _free(self, name):
        return name not in self._taken and name not in self._folders and \
            self._taken.isdisjoint(self._parents(name))

    @staticmethod
    def _parents(name):
        parts = name.split("/")
        return ["/".join(parts[:i]) for i in range(1, len(parts))]


class Packer:
    """tensors: what was found on the way, {name: tensor or array}."""

    _DICTS = {dict: "dict", collections.OrderedDict: "ordered",
              collections.Counter: "counter"}

    def __init__(self):
        self.tensors = {}
        self._names = Names()
        self._seen = {}

    def pack(self, value, where, depth=0):
        """value as JSON; where: the keys that lead to it."""
        if depth > _DEEPEST:
            raise usage(f"{where[0]}: nested more than {_DEEPEST} deep")
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {
                "$": "float", "value": repr(value)}
        if isinstance(value, dict):
            return self._dict(value, where, depth + 1)
        if isinstance(value, (list, tuple)):
            return self._items(value, where, depth + 1)
        if isinstance(value, (bytes, bytearray)):
            return {"$": "bytes",
                    "value": base64.b64encode(value).decode("ascii")}
        if type(value) is complex:
            return {"$": "complex", "value": [
                self.pack(value.real, where), self.pack(value.imag, where)]}
        return self._array(value, where)

    def _dict(self, value, where, depth):
        if type(value) not in self._DICTS:
            raise self._foreign(value, where)
        items = [[self.pack(k, (*where, "key"), depth),
                  self.pack(v, (*where, k), depth)]
                 for k, v in value.items()]
        if type(value) is dict and "$" not in value and \
                all(type(k) is str for k in value):
            return dict(items)
        packed = {"$": self._DICTS[type(value)], "items": items}
        # torch notes there which version of a module wrote its state.
        if getattr(value, "_metadata", None):
            packed["metadata"] = self.pack(
                value._metadata, (*where, "metadata"), depth)
        return packed

    def _items(self, value, where, depth):
        items = [self.pack(v, (*where, i), depth)
                 for i, v in enumerate(value)]
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Size):
            return {"$": "size", "items": items}
        if type(value) is list:
            return items
        if type(value) is tuple:
            return {"$": "tuple", "items": items}
        raise self._foreign(value, where)

    def _array(self, value, where):
        torch = sys.modules.get("torch")
        if _tensors.is_tensor(value):
            try:
                _tensors.name_of_tensor(value)
            except Error as error:
                raise Error(error.code, f"{self._shown(where)}: "
                            f"{error}") from None
            return {"$": "tensor", "name": self._add_tensor(value, where),
                    "device": str(value.device)}
        if isinstance(value, (np.ndarray, np.generic)):
            name = self._names.make(where)
            self.tensors[name] = np.asarray(value)
            return {"$": "scalar" if isinstance(value, np.generic)
                    else "array", "name": name}
        if torch is not None and isinstance(value, torch.dtype):
            return {"$": "dtype", "value": str(value).partition(".")[2]}
        if torch is not None and isinstance(value, torch.device):
            return {"$": "device", "value": str(value)}
        raise self._foreign(value, where)

    def _add_tensor(self, value, where):
        """Once for what is there twice, such as weights that are tied."""
        key = (value.data_ptr(), value.shape, value.stride(), value.dtype,
               value.device)
        if value.numel() and key in self._seen:
            return self._seen[key]
        name = self._seen[key] = self._names.make(where)
        self.tensors[name] = value
        return name

    @staticmethod
    def _shown(where):
        return "/".join(map(str, where))

    @classmethod
    def _foreign(cls, value, where):
        return usage(f"{cls._shown(where)}: a "
                     f"{type(value).__module__}.{type(value).__qualname__} "
                     "cannot be saved: only None, numbers, texts, bytes, "
                     "lists, dicts, arrays and tensors")


class Unpacker:
    """load(name, device) gives a tensor, load_array(name) a numpy array.
    What is there twice is loaded once."""

    @classmethod
    def tensors(cls, value):
        """The names of the tensors in a packed value."""
        todo, names = [value], set()
        while todo:
            value = todo.pop()
            if isinstance(value, dict):
                if value.get("$") == "tensor" and \
                        isinstance(value.get("name"), str):
                    names.add(value["name"])
                todo += value.values()
            elif isinstance(value, list):
                todo += value
        return names

    _DICTS = {kind: made for made, kind in Packer._DICTS.items()}

    def __init__(self, load, load_array):
        self._load = load
        self._load_array = load_array
        self._seen = {}

    def unpack(self, value):
        """What pack was given. Error (BAD_INPUT) for what it never wrote."""
        try:
            return self._unpack(value)
        except (KeyError, TypeError, ValueError, AttributeError,
                RecursionError) as error:
            raise Error(Code.BAD_INPUT, "the state of this checkpoint is "
                        f"not what mlbatch.torch saves: {error!r}") from None

    def _unpack(self, value):
        if isinstance(value, list):
            return [self._unpack(v) for v in value]
        if not isinstance(value, dict):
            return value
        if "$" not in value:
            return {k: self._unpack(v) for k, v in value.items()}
        return self._KINDS[value["$"]](self, value)

    def _dict(self, value):
        made = self._DICTS[value["$"]]()
        for k, v in value["items"]:
            made[self._unpack(k)] = self._unpack(v)
        if "metadata" in value:
            made._metadata = self._unpack(value["metadata"])
        return made

    def _tensor(self, value):
        key = value["name"], value["device"]
        if key not in self._seen:
            self._seen[key] = self._load(*key)
        return self._seen[key]

    def _torch(self, value):
        torch = sys.modules["torch"]
        if value["$"] == "device":
            return torch.device(value["value"])
        kind = getattr(torch, value["value"])
        if not isinstance(kind, torch.dtype):
            raise ValueError(value["value"])
        return kind

    def _tuple(self, value):
        items = tuple(self._unpack(v) for v in value["items"])
        return items if value["$"] == "tuple" else \
            sys.modules["torch"].Size(items)

    _KINDS = {
        "float": lambda self, v: float(v["value"]),
        "complex": lambda self, v: complex(*map(self._unpack, v["value"])),
        "bytes": lambda self, v: base64.b64decode(v["value"], validate=True),
        "tuple": _tuple, "size": _tuple,
        "dict": _dict, "ordered": _dict, "counter": _dict,
        "tensor": _tensor,
        "array": lambda self, v: self._load_array(v["name"]),
        "scalar": lambda self, v: self._load_array(v["name"])[()],
        "dtype": _torch, "device": _torch,
    }
