# SPDX-License-Identifier: BSD-3-Clause
"""Saving and loading what has a state_dict, without pickling."""
import math
import os
import random
from typing import NamedTuple

import numpy as np
import torch

from . import _tensors, _tree
from ._library import Code, Error
from .checkpoint import Checkpoint, latest

_FORMAT = {"format": "mlbatch-torch", "version": 1}


def _rng_states():
    """What the generators of this process would go on with."""
    numpy_state = np.random.get_state()
    states = {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": [numpy_state[0], numpy_state[1].tolist(), *numpy_state[2:]],
        "python": random.getstate(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state().numpy().tobytes()
    return states


def _set_rng_states(states):
    def tensor(data):
        return torch.from_numpy(np.frombuffer(data, np.uint8).copy())

    try:
        torch.set_rng_state(tensor(states["torch"]))
        name, keys, *rest = states["numpy"]
        np.random.set_state((name, np.array(keys, np.uint32), *rest))
        random.setstate(states["python"])
        if "cuda" in states and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensor(states["cuda"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise Error(Code.BAD_INPUT,
                    f"states of random generators: {error}") from None


def _plain(value):
    """A model without what DistributedDataParallel puts around it."""
    parallel = torch.nn.parallel.DistributedDataParallel
    return value.module if isinstance(value, parallel) else value


def _state_of(value):
    value = _plain(value)
    return value.state_dict() if hasattr(value, "state_dict") else value


def save(saver, step, /, *, rng=True, metrics=None, background=False,
         **objects):
    """Save objects at a step with a Saver.

    objects: what has a state_dict (models, also in DistributedDataParallel,
    optimizers, schedulers, loaders), or plain data: numbers, texts, bytes,
    lists, dicts, arrays, tensors. rng: the states of the random generators
    of torch, numpy and Python as well, of each rank. The rest is as in
    Saver.save; with a group, each rank calls it, and what all hold alike is
    written once.
    """
    rank = saver.group.rank if saver.group else 0

    def prepare():
        packer = _tree.Packer()
        trees = {name: packer.pack(_state_of(value), (name,))
                 for name, value in objects.items()}
        states = {"torch": {**_FORMAT, "objects": trees}}
        if rng:
            states[f"rng/{rank}"] = _tree.Packer().pack(_rng_states(),
                                                        ("rng",))
        return packer.tensors, states, metrics

    saver.save_made(step, prepare, background)


class Loaded(NamedTuple):
    """What load found. data: the plain data, {name: value}."""
    step: int
    path: str
    note: str
    metrics: dict
    data: dict


def _mapped(location, device):
    """Where a tensor that was on device goes."""
    if location is None:
        return device
    if callable(location):
        return location(device)
    if isinstance(location, dict):
        return location.get(device, device)
    return location


def _empty(infos):
    """New tensors like these, {name: tensor}, side by side in one piece of
    memory, which numpy has made of huge pages: having it for the first time
    would else take longer than reading into it."""
    starts, size = {}, 0
    for info in infos:
        starts[info.name] = size
        size += -(-math.prod(info.shape) * info.numpy.itemsize // 64) * 64
    memory = np.empty(size, np.uint8)
    made = {}
    for info in infos:
        kind = _tensors.torch_dtype(info.dtype)
        if kind is None:
            raise Error(Code.UNSUPPORTED, f"{info.name}: this torch has no "
                        f"type for {info.dtype}")
        count = math.prod(info.shape) * info.numpy.itemsize
        start = starts[info.name]
        part = torch.from_numpy(memory[start:start + count])
        made[info.name] = part.view(kind).reshape(info.shape)
    return made


def _unpacker(checkpoint, trees, map_location):
    """What builds the objects of trees, whose tensors are loaded now. Each
    object has its memory, so that it does not hold that of others."""
    tensors = {}
    for tree in trees:
        wanted = _tree.Unpacker.tensors(tree) - tensors.keys()
        for name in wanted - checkpoint.tensors.keys():
            checkpoint.tensor(name)              # says that there is none
        tensors.update(_empty([info for name, info
                               in checkpoint.tensors.items()
                               if name in wanted]))
    checkpoint.load_all({name: tensor.data_ptr()
                         for name, tensor in tensors.items()})
    return _tree.Unpacker(
        lambda name, device: tensors[name].to(_mapped(map_location, device)),
        checkpoint.load)


def _saved_objects(checkpoint):
    saved = checkpoint.json("torch")
    if not isinstance(saved, dict) or \
            saved.get("format") != _FORMAT["format"] or \
            not isinstance(saved.get("objects"), dict):
        raise Error(Code.BAD_INPUT, f"{checkpoint.path}: not saved by "
                    "mlbatch.torch")
    if saved.get("version") != _FORMAT["version"]:
        raise Error(Code.UNSUPPORTED, f"{checkpoint.path}: saved by a newer "
                    "mlbatch.torch")
    return saved["objects"]


def _restore(checkpoint, objects, map_location):
    """Give the objects their states; the plain data."""
    trees = _saved_objects(checkpoint)
    missing = [name for name in objects if name not in trees]
    if missing:
        raise Error(Code.NOT_FOUND, f"{checkpoint.path}: no object "
                    f"'{missing[0]}'; there are {', '.join(trees)}")
    wanted = {name: tree for name, tree in trees.items()
              if objects.get(name, name) is not None}
    unpacker = _unpacker(checkpoint, [*wanted.values()], map_location)
    data = {}
    for name, tree in wanted.items():
        value = unpacker.unpack(tree)
        if name in objects:
            _plain(objects[name]).load_state_dict(value)
        else:
            data[name] = value
    return data


def _restore_rng(checkpoint, rank):
    if f"rng/{rank}" in checkpoint.states:
        state = checkpoint.json(f"rng/{rank}")
        _set_rng_states(_unpacker(checkpoint, [], None).unpack(state))


def load(source=None, /, *, group=None, map_location="cpu", rng=True,
         **objects):
    """Restore objects from a checkpoint, each by its load_state_dict: a
    Loaded, or None if there is no checkpoint.

    source: the directory of checkpoints, of which the newest valid one is
    taken (None: as the job file says), or the path of one. objects: by the
    names they were saved with; None: not wanted. All else that was saved is
    in the Loaded's data. map_location: a device for the tensors, {saved:
    device}, a function of the saved one, or None: where they were;
    load_state_dict of models and optimizers brings them to where their
    parameters are in any case. rng: restore the random generators, on ranks
    that there were when it was saved. group: all ranks load what rank 0
    finds.
    """
    checkpoint = _find(source, group)
    if checkpoint is None:
        return None
    with checkpoint:
        data = _restore(checkpoint, objects, map_location)
        if rng:
            _restore_rng(checkpoint, group.rank if group else 0)
        return Loaded(checkpoint.step, checkpoint.path, checkpoint.note,
                      checkpoint.metrics, data)


def _find(source, group):
    if source is not None and (os.path.isfile(source) or os.fspath(
            source).rstrip("/").endswith((".h5", ".d"))):
        return Checkpoint(source)
    return latest(source, group)
