"""Starts the scripted gateway as a program: `python3 -I` does not look beside the script."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import gateway  # noqa: E402

gateway.main()
