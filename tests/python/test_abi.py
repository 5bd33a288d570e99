# SPDX-License-Identifier: BSD-3-Clause
"""The structures and numbers of the module are those of the headers."""
import os
import shlex
import subprocess
import sys

from support import InDirectory

import mlbatch
from mlbatch import _dtypes, _library, loader, saver

STRUCTURES = {
    "mlb_error": _library.CError,
    "mlb_field": _library.CField,
    "mlb_stats": _library.CStats,
    "mlb_sampler_state": _library.CSamplerState,
    "mlb_loader_options": _library.CLoaderOptions,
    "mlb_tensor": _library.CTensor,
    "mlb_box": _library.CBox,
    "mlb_retention": _library.CRetention,
    "mlb_saver_options": _library.CSaverOptions,
    "mlb_group": _library.CGroup,
}


def expected():
    """(C expression, what the module takes it to be)"""
    for c, ours in STRUCTURES.items():
        yield f"sizeof(struct {c})", _library.ctypes.sizeof(ours)
        for name, _ in ours._fields_:
            yield (f"offsetof(struct {c}, {name})",
                   getattr(ours, name).offset)
    for number, name in _dtypes.NAMES.items():
        yield f"MLB_{name.upper()}", number
        yield (f"(int)mlb_dtype_size(MLB_{name.upper()})",
               _dtypes.NUMPY[name].itemsize)
    for code in _library.Code:
        yield f"MLB_ERR_{code.name}", int(code)
    for prefix, names in (("LAYOUT", saver.LAYOUTS),
                          ("LOADER", loader.MODES)):
        for i, name in enumerate(names):
            yield f"MLB_{prefix}_{name.upper()}", i
    yield "MLB_MAX_RANK", _library.MAX_RANK


def import_with(**environment):
    """What happens on import mlbatch: (exit status, its last line)."""
    done = subprocess.run([sys.executable, "-c", "import mlbatch"],
                          env={**os.environ, **environment}, text=True,
                          stderr=subprocess.PIPE, check=False)
    return done.returncode, (done.stderr.splitlines() or [""])[-1]


class TestImport(InDirectory):
    def test_it_says_what_is_wrong_with_the_library(self):
        self.assertEqual(import_with(), (0, ""))
        code, text = import_with(MLB_LIBRARY=self.path("nosuch.so"))
        self.assertEqual(code, 1)
        self.assertRegex(text, "ImportError: mlbatch: MLB_LIBRARY: .*nosuch")
        code, text = import_with(MLB_LIBRARY="libc.so.6")
        self.assertRegex(text, "libc.so.6 has no mlb_.*version")

    def test_progress_without_an_agent(self):
        mlbatch.progress.step(1, 5)
        mlbatch.progress.metric("loss", 1, float("nan"))
        self.assertFalse(mlbatch.progress.should_save())
        self.assertFalse(mlbatch.progress.should_stop())
        for bad in (-1, 1 << 64, 1.5):
            with self.assertRaises(mlbatch.Error):
                mlbatch.progress.step(bad)
        with self.assertRaises(mlbatch.Error):
            mlbatch.progress.metric("a\0", 1, 2)


class TestAbi(InDirectory):
    def test_every_number_is_the_compilers(self):
        rows = list(expected())
        with open(self.path("abi.c"), "w", encoding="ascii") as file:
            file.write("#include <stdio.h>\n#include <stddef.h>\n"
                       "#include <mlbatch/mlbatch.h>\n"
                       "#include <mlbatch/group.h>\nint main(void) {\n")
            for c, _ in rows:
                file.write(f'printf("%lld\\n", (long long)({c}));\n')
            file.write("}\n")
        subprocess.run([*shlex.split(os.environ.get("CC", "cc")),
                        "-I", os.environ["MLB_INCLUDE"], self.path("abi.c"),
                        "-o", self.path("abi"), _library.path], check=True)
        folder = os.path.dirname(os.path.abspath(_library.path))
        out = subprocess.run(
            [self.path("abi")], check=True, capture_output=True, text=True,
            env={**os.environ, "LD_LIBRARY_PATH": folder}).stdout.split()
        self.assertEqual([(c, int(n)) for (c, _), n in zip(rows, out)], rows)
