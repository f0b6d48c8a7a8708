"""Imports at once what PyAV imports late, at the first track of a kind.

A sandboxed process cannot count on it: the user that it runs as may not be able to read our installation.
"""

import importlib

PYAV = ("av.subtitles.codeccontext", "av.subtitles.stream")


def import_all() -> None:
    for module in PYAV:
        importlib.import_module(module)
