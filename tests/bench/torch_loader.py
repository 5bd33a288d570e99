# SPDX-License-Identifier: BSD-3-Clause
"""Shuffled batches in PyTorch: our loader against DataLoader over h5py.

    torch_loader.py STORE-PROGRAM DIRECTORY [MIB [ROUNDS]]

Both read the same files, in memory by then: rows of 3 KiB, 256 a batch, the
whole order shuffled. Prints the median of the rounds' ratios of rows a
second, and then the median of each."""
import bisect
import glob
import os
import statistics
import subprocess
import sys
import time

import h5py
import numpy as np
import torch
import torch.utils.data

import mlbatch
import mlbatch.torch

COLUMNS, BATCH, SECONDS = 768, 256, 1.0


def make(program, directory, mib):
    """A data set of so many MiB: the path of the version."""
    source = os.path.join(directory, "rows.npy")
    rows = (mib << 20) // (4 * COLUMNS)
    array = np.lib.format.open_memmap(source, "w+", np.float32,
                                      (rows, COLUMNS))
    for first in range(0, rows, 4096):
        part = array[first:first + 4096]
        part[:] = np.arange(part.size, dtype=np.float32).reshape(part.shape)
    array.flush()
    subprocess.run([program, f"--store={directory}/store", "dataset",
                    "import", "rows", source], check=True,
                   stdout=subprocess.DEVNULL)
    os.remove(source)
    return os.path.dirname(glob.glob(
        f"{directory}/store/datasets/rows/*/manifest.json")[0])


class OverH5py(torch.utils.data.Dataset):
    """What one writes without mlbatch: a row at a time."""

    def __init__(self, path, field):
        self.parts = [h5py.File(name, "r")["fields"][field]
                      for name in sorted(glob.glob(f"{path}/shard-*.h5"))]
        self.firsts = [0]
        for part in self.parts:
            self.firsts.append(self.firsts[-1] + len(part))

    def __len__(self):
        return self.firsts[-1]

    def __getitem__(self, i):
        part = bisect.bisect_right(self.firsts, i) - 1
        return torch.from_numpy(self.parts[part][i - self.firsts[part]])


def rate(batches, rows_of):
    """Rows a second of an iterable, for about SECONDS."""
    rows, start = 0, time.perf_counter()
    for batch in batches:
        rows += rows_of(batch)
        if time.perf_counter() - start > SECONDS:
            break
    return rows / (time.perf_counter() - start)


def main():
    program, directory = sys.argv[1:3]
    mib = int(sys.argv[3]) if len(sys.argv) > 3 else 1024
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    torch.set_num_threads(1)
    path = make(program, directory, mib)
    data = mlbatch.Dataset(path)
    field, = data.fields
    ours = mlbatch.torch.Loader(data, global_batch=BATCH, seed=1)
    theirs = torch.utils.data.DataLoader(OverH5py(path, field), BATCH,
                                         shuffle=True)
    for name in glob.glob(f"{path}/shard-*.h5"):
        with open(name, "rb") as file:
            while file.read(1 << 24):
                pass
    for _ in ours:
        pass
    a, b = [], []
    for _ in range(rounds):
        a.append(rate(ours, lambda batch: len(batch[field])))
        b.append(rate(theirs, len))
    ratio = statistics.median(x / y for x, y in zip(a, b))
    print(f"torch_loader_over_h5py {ratio:.2f} ours "
          f"{statistics.median(a):.0f} theirs {statistics.median(b):.0f} "
          f"mode {ours.mode}")


if __name__ == "__main__":
    main()
