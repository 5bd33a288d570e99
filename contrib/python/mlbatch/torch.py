# SPDX-License-Identifier: BSD-3-Clause
"""PyTorch over mlbatch: data, and saving and loading what has a state_dict.

    import mlbatch, mlbatch.torch

    loader = mlbatch.torch.Loader(mlbatch.Dataset(), split="train",
                                  global_batch=256, seed=1)
    saver = mlbatch.Saver(group=mlbatch.torch_group())
    at = mlbatch.torch.load(saver.directory, group=saver.group, model=model,
                            optimizer=optimizer, loader=loader)
    step = at.step if at else 0
    ...
    mlbatch.torch.save(saver, step, model=model, optimizer=optimizer,
                       loader=loader)

Nothing is ever pickled: tensors are arrays of the file, all else is JSON.
"""
from ._torch_data import BatchSampler, Dataset, Loader, Sampler
from ._torch_state import Loaded, load, save

__all__ = ["BatchSampler", "Dataset", "Loaded", "Loader", "Sampler", "load",
           "save"]
