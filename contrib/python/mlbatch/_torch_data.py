# SPDX-License-Identifier: BSD-3-Clause
"""Data sets for PyTorch: the loader, and what DataLoader wants."""
import os

import numpy as np
import torch
import torch.utils.data

from . import _tensors, dataset, loader
from ._library import CSamplerState, Code, Error, usage, whole


def _ranks(rank, world_size):
    """This process among those that read: of torch.distributed, if it is in
    use and nothing else is said."""
    if (rank is None) != (world_size is None):
        raise usage("rank and world_size go together")
    if rank is not None:
        return rank, world_size
    dist = torch.distributed
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def _as_tensors(value, field):
    if isinstance(value, dataset.Ragged):
        return dataset.Ragged(_tensors.as_tensor(value.data, field.dtype),
                              torch.from_numpy(value.offsets.astype(
                                  np.int64)))
    return _tensors.as_tensor(value, field.dtype)


class Loader(loader.Loader):
    """mlbatch.Loader with torch tensors: the fastest way to read. rank and
    world_size are those of torch.distributed, if it is in use.

    The tensors are over the loader's memory: valid until the next batch, and
    not to be written to. copy=True gives tensors that stay; device="cuda"
    copies them there.
    """
    _writable = True

    def __init__(self, dataset, split=None, global_batch=1, seed=0,
                 shuffle=True, rank=None, world_size=None, device=None,
                 **options):
        rank, world_size = _ranks(rank, world_size)
        super().__init__(dataset, split, global_batch, seed, shuffle,
                         rank=rank, world_size=world_size, **options)
        self.device = None if device is None else torch.device(device)

    def next(self):
        batch = super().next()
        if batch is None:
            return None
        for field in self._fields:
            value = _as_tensors(batch[field.name], field)
            if self.device is not None:
                value = self._move(value)
            batch[field.name] = value
        batch.ids = torch.from_numpy(batch.ids.view(np.int64))
        return batch

    def _move(self, value):
        if isinstance(value, dataset.Ragged):
            return dataset.Ragged(value.data.to(self.device), value.offsets)
        return value.to(self.device)


class Dataset(torch.utils.data.Dataset):
    """Map-style: [i] is row i of a split as {field: tensor}; with a list of
    numbers it is those rows as one batch, {field: [rows, ...]}. Each process
    opens the data set for itself, so DataLoader's workers may fork.

    For speed let a BatchSampler give whole batches:

        DataLoader(data, batch_size=None, sampler=BatchSampler(...))

    transform, if given, is called with the dict of each row or batch.
    """

    def __init__(self, path=None, split=None, fields=None, transform=None):
        self.path = os.fspath(dataset.default_path() if path is None
                              else path)
        self.split = split
        self.transform = transform
        self._fields = fields
        self._opened = None, None
        self._length = len(self._ids())

    def __getstate__(self):
        """For workers that are spawned: they open it anew."""
        return {**self.__dict__, "_opened": (None, None)}

    @property
    def data(self):
        """The mlbatch.Dataset of this process."""
        return self._open()[0]

    def _open(self):
        process, opened = self._opened
        if process != os.getpid():
            data = dataset.Dataset(self.path)
            opened = data, data.split_ids(self.split)
            self._opened = os.getpid(), opened
        return opened

    def _ids(self):
        return self._open()[1]

    def __len__(self):
        return self._length

    def _read(self, indices):
        data, ids = self._open()
        ids = ids[dataset.as_ids(indices, self._length).astype(np.int64)]
        return {name: _as_tensors(data.read(name, ids), data.field(name))
                for name in (self._fields or data.fields)}

    def __getitem__(self, index):
        if hasattr(index, "__len__"):
            return self._transformed(self._read(index))
        if index < 0:
            index += self._length
        return self._transformed({name: rows[0] for name, rows in
                                  self._read([index]).items()})

    def __getitems__(self, indices):
        """Rows read in one go, for DataLoader's own batches."""
        rows = self._read(indices)
        return [self._transformed({name: of[i] for name, of in rows.items()})
                for i in range(len(indices))]

    def _transformed(self, value):
        return value if self.transform is None else self.transform(value)


class BatchSampler(torch.utils.data.Sampler):
    """The numbers of this rank's rows of each batch, as lists: the same
    batches in the same order as a Loader of these options gives, for any
    number of ranks, and resumable.

    data: what is sampled, or its number of rows. One iteration is the rest
    of the epoch at hand; set_epoch chooses another one.
    """

    def __init__(self, data, global_batch=1, seed=0, shuffle=True,
                 drop_last=False, rank=None, world_size=None, block=0):
        self.rank, self.world_size = _ranks(rank, world_size)
        self.rows = data if isinstance(data, int) else len(data)
        if whole(global_batch, "global_batch") < 1 or \
                not 0 <= self.rank < self.world_size:
            raise usage(f"global_batch {global_batch}, rank {self.rank} of "
                        f"{self.world_size}")
        self.shuffle = shuffle
        self.drop_last = drop_last
        self._state = CSamplerState(
            algorithm=2 if block else 1,
            block=whole(block, "block", (1 << 32) - 1),
            seed=whole(seed, "seed"), rows=self.rows,
            global_batch=global_batch)
        self._given = loader.state_to_dict(self._state)

    @property
    def epoch(self):
        """The epoch at hand, from 0."""
        return self._state.epoch

    def set_epoch(self, epoch):
        """Begin that epoch with the next iteration, unless it is at hand."""
        if epoch != self._state.epoch:
            self._state.epoch, self._state.position = whole(epoch, "epoch"), 0

    def _end(self):
        rest = self.rows % self._state.global_batch
        return self.rows - (rest if self.drop_last else 0)

    def __len__(self):
        """Batches left of the epoch at hand."""
        left = max(self._end() - self._state.position, 0)
        return -(-left // self._state.global_batch)

    def _slice(self, size):
        """Of a batch of size rows: (this rank's first, how many)."""
        each, extra = divmod(size, self.world_size)
        return (self.rank * each + min(self.rank, extra),
                each + (self.rank < extra))

    def __iter__(self):
        state = loader.state_from_dict(loader.state_to_dict(self._state))
        self._given = loader.state_to_dict(state)
        position, end = state.position, self._end()
        while position < end:
            size = min(state.global_batch, end - position)
            first, count = self._slice(size)
            first += position
            position += size
            self._state.position = position
            yield (loader.order(state, first, count).tolist() if
                   self.shuffle else list(range(first, first + count)))
        self._state.epoch, self._state.position = state.epoch + 1, 0

    def state_dict(self, batches=None):
        """Where it stands. batches: how many of the batches of the latest
        iteration the training has used; None: all that were given out, which
        is right only without workers, as they fetch ahead."""
        if batches is None:
            return loader.state_to_dict(self._state)
        position = self._given["position"] + \
            batches * self._given["global_batch"]
        return {**self._given, "position": min(position, self._end())}

    def load_state_dict(self, state):
        """Go on from there: from a Loader's, too. Error (BAD_INPUT) if it is
        of another number of rows, batch size or order."""
        new = loader.state_from_dict(state)
        for name in ("algorithm", "block", "rows", "global_batch"):
            theirs, ours = getattr(new, name), getattr(self._state, name)
            if theirs != ours:
                raise Error(Code.BAD_INPUT, "the saved state is of another "
                            f"{name}: {theirs}, not {ours}")
        if new.position > new.rows:
            raise Error(Code.BAD_INPUT, "the saved state lies past its end")
        self._state = new
        self._given = loader.state_to_dict(new)


class Sampler(BatchSampler):
    """The same order one number at a time, for a DataLoader that makes its
    own batches: this rank's part of each global batch, one after the other.
    """

    def __iter__(self):
        for batch in super().__iter__():
            yield from batch

    def __len__(self):
        """Rows of this rank left of the epoch at hand."""
        batch = self._state.global_batch
        full, rest = divmod(max(self._end() - self._state.position, 0),
                            batch)
        return full * self._slice(batch)[1] + self._slice(rest)[1]
