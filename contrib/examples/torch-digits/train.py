#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Data-parallel training on the digits: PyTorch, gloo, any number of ranks.

Every rank holds the whole network and reads its slice of each batch;
DistributedDataParallel adds up the gradients. The loader gives the same
batches for any number of ranks, and a checkpoint says how far into an epoch
it was made, so a run that was stopped or killed goes on in the middle of it.
"""
import argparse
import hashlib
import os
import sys
import time

import torch
import torch.distributed as dist
from torch import nn

import mlbatch
import mlbatch.torch

NOT_DONE = 75                    # EX_TEMPFAIL: stopped, go on later


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name, default, text in (
            ("epochs", 20, "train for N epochs in all"),
            ("batch", 64, "rows in a batch over all ranks"),
            ("hidden", 64, "hidden units"),
            ("seed", 1, "first weights and order of rows"),
            ("save-every", 50, "save after every N steps (0: when asked)"),
            ("stop-after", 0, "stop when N epochs are done (0: do not)")):
        parser.add_argument("--" + name, type=int, default=default,
                            metavar="N", help=f"{text} ({default})")
    parser.add_argument("--rate", type=float, default=0.05, metavar="X",
                        help="learning rate (0.05)")
    return parser.parse_args()


class Training:
    """A run: what it works with, and where it stands in .at."""

    def __init__(self, options):
        self.options = options
        self.first = dist.get_rank() == 0
        torch.manual_seed(options.seed)
        self.model = nn.parallel.DistributedDataParallel(nn.Sequential(
            nn.Linear(64, options.hidden), nn.ReLU(),
            nn.Linear(options.hidden, 10)))
        self.optimizer = torch.optim.SGD(self.model.parameters(),
                                         lr=options.rate, momentum=0.9)
        data = mlbatch.Dataset()
        self.loader = mlbatch.torch.Loader(data, "train", options.batch,
                                           options.seed)
        self.test = mlbatch.torch.Loader(data, "test",
                                         data.split_rows("test"),
                                         shuffle=False, copy=True)
        self.held_out = self.test.next()
        self.saver = mlbatch.Saver(group=mlbatch.torch_group())
        # Steps and epochs done; rows of the epoch at hand, and their loss.
        self.at = {"step": 0, "epoch": 0, "rows": 0, "loss": 0.0}
        self.saved = 0           # the step of the latest checkpoint

    def say(self, text):
        if self.first:
            print(text, flush=True)

    def resume(self):
        found = mlbatch.torch.load(
            self.saver.directory, group=self.saver.group, model=self.model,
            optimizer=self.optimizer, loader=self.loader)
        if found is None:
            return
        if found.note and self.first:
            print(f"train: {found.note}", file=sys.stderr)
        self.at = found.data["at"]
        self.saved = found.step
        self.say(f"resumed at epoch {self.at['epoch']}, step {found.step} "
                 f"from {found.path}")

    def save(self, background):
        """Go on while it is written, or wait for it."""
        if self.saved < self.at["step"]:
            mlbatch.torch.save(
                self.saver, self.at["step"], model=self.model,
                optimizer=self.optimizer, loader=self.loader, at=self.at,
                metrics={"loss": self.loss()}, background=background)
            self.saved = self.at["step"]
        if not background:
            self.saver.wait()

    def loss(self):
        return self.at["loss"] / max(self.at["rows"], 1)

    def train_batch(self, batch):
        """One step: whether to save, whether to stop. Both travel in one sum
        with the loss, so that all ranks know them after the step."""
        x, y = batch["x"] / 16, batch["y"].long()
        sum_of_rows = nn.functional.cross_entropy(self.model(x), y,
                                                  reduction="sum")
        # The gradients are averaged over ranks, whose slices may differ in
        # size: what is wanted is the mean over the rows of all.
        self.optimizer.zero_grad()
        (sum_of_rows * (dist.get_world_size() / batch.total)).backward()
        self.optimizer.step()
        facts = torch.tensor([
            sum_of_rows.item(),
            self.first and mlbatch.progress.should_save(),
            mlbatch.progress.should_stop()], dtype=torch.float64)
        dist.all_reduce(facts)
        at = self.at
        if at["rows"] == self.loader.rows:
            at["rows"], at["loss"] = 0, 0.0
        at["step"] += 1
        at["rows"] += batch.total
        at["loss"] += float(facts[0])
        mlbatch.progress.step(at["step"], len(batch.ids))
        every = self.options.save_every
        return (bool(facts[1]) or every > 0 and at["step"] % every == 0,
                bool(facts[2]))

    @torch.no_grad()
    def accuracy(self):
        """The share of held-out rows that it gets right."""
        batch = self.held_out
        guesses = self.model.module(batch["x"] / 16).argmax(1)
        right = (guesses == batch["y"]).sum()
        dist.all_reduce(right)
        return right.item() / batch.total

    def end_epoch(self, seconds):
        self.at["epoch"] += 1
        right = self.accuracy()
        if self.first:
            step = self.at["step"]
            mlbatch.progress.metric("loss", step, self.loss())
            mlbatch.progress.metric("test/accuracy", step, right)
        self.say(f"epoch {self.at['epoch']} loss {self.loss():.6f} "
                 f"test accuracy {right:.4f} seconds {seconds:.3f}")
        return self.at["epoch"] == self.options.stop_after

    def train(self):
        """True: all epochs are done; False: asked to stop before."""
        stop, start = False, time.monotonic()
        while self.at["epoch"] < self.options.epochs and not stop:
            batch = self.loader.next()
            if batch is None:    # the next call begins the next epoch
                continue
            save, stop = self.train_batch(batch)
            # It ends with its last row: a checkpoint must count it as done.
            if self.at["rows"] == self.loader.rows:
                stop |= self.end_epoch(time.monotonic() - start)
                start = time.monotonic()
            self.saver.poll()
            if save and not stop:
                self.save(background=True)
        self.save(background=False)
        return self.at["epoch"] >= self.options.epochs

    def weights(self):
        """A hash of all weights, bit by bit."""
        total = hashlib.sha256()
        for value in self.model.module.state_dict().values():
            total.update(value.numpy().tobytes())
        return total.hexdigest()[:16]


def run(options):
    training = Training(options)
    training.resume()
    done = training.train()
    if not done:
        training.say(f"stopped: saved at epoch {training.at['epoch']}, "
                     f"step {training.at['step']}")
    else:
        right = training.accuracy()
        training.say(f"final: loss {training.loss():.9f} test accuracy "
                     f"{right:.4f} weights {training.weights()}")
    training.saver.close()
    return 0 if done else NOT_DONE


def main():
    options = read_options()
    # From here on a request to stop waits for the end of a step.
    mlbatch.progress.should_stop()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "1"),
                        ("MASTER_ADDR", "127.0.0.1"),
                        ("MASTER_PORT", "29500")):
        os.environ.setdefault(name, value)
    dist.init_process_group("gloo")
    try:
        return run(options)
    except mlbatch.Error as error:
        print(f"train: rank {dist.get_rank()}: {error}", file=sys.stderr)
        return 1
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main())
