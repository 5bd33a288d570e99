# SPDX-License-Identifier: BSD-3-Clause
"""Saving and loading in PyTorch: mlbatch.torch against torch.save and load.

    torch_save.py DIRECTORY [MIB [ROUNDS]]

A state of tensors of 2 MiB, saved and synced in turn; ours over a retired
file. Loading is from the disk: the files are put out of memory before, and
ours compares every checksum. Prints the medians of the rounds' ratios, and
then the medians of the seconds."""
import os
import statistics
import sys
import time

import numpy as np
import torch

import mlbatch
import mlbatch.torch


def timed(work, size):
    """(seconds, result) of work. A virtual machine may have given its free
    memory back, and getting it again takes longer than all else: so it has
    twice size bytes of it to begin with, for a result and its file."""
    np.empty(2 * size, np.uint8).fill(1)
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def forget(path):
    """Have the file on the disk only."""
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def save_theirs(state, path):
    with open(path, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())


def main():
    directory = sys.argv[1]
    mib = int(sys.argv[2]) if len(sys.argv) > 2 else 1024
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 6
    torch.set_num_threads(1)
    state = {f"layer{i}.weight": torch.randn(512, 1024)
             for i in range(mib // 2)}
    path = os.path.join(directory, "theirs.pt")
    saver = mlbatch.Saver(os.path.join(directory, "ckpt"), keep=1, every=0,
                          best=0, slots=1)
    step = 0

    def save_ours():
        nonlocal step
        step += 1
        mlbatch.torch.save(saver, step, rng=False, model=state)

    def load_ours():
        return mlbatch.torch.load(newest, rng=False).data["model"]

    for _ in range(3):           # from here on a retired file is there
        save_ours()
    save_theirs(state, path)
    times = {"save": ([], []), "load": ([], [])}
    size = mib << 20
    for i in range(rounds):
        times["save"][0].append(timed(save_ours, size)[0])
        times["save"][1].append(timed(lambda: save_theirs(state, path),
                                      size)[0])
        newest = mlbatch.latest(saver.directory).path
        turns = [(0, newest, load_ours), (1, path, lambda: torch.load(path))]
        # Each comes first in turn.
        for k, file, load in turns if i % 2 else reversed(turns):
            forget(file)
            seconds, back = timed(load, size)
            times["load"][k].append(seconds)
            if i < 2:
                assert all(torch.equal(back[n], t) for n, t in state.items())
            del back
    for what, name in (("save", "recycled_save_over_torch_save"),
                       ("load", "cold_load_over_torch_load")):
        ours, theirs = times[what]
        ratio = statistics.median(b / a for a, b in zip(ours, theirs))
        print(f"{name} {ratio:.2f} ours {statistics.median(ours):.3f} "
              f"theirs {statistics.median(theirs):.3f}")
    saver.close()


if __name__ == "__main__":
    main()
