"""The commands of a fork's life: ``python -m scaffold``, or ``make``, which calls it.

Belongs here: what writes or removes files of the house. It is Groundwork's; a fork may delete it, with its lines in
``Makefile`` and ``pyproject.toml``.
"""

import os
from importlib.util import find_spec

BY_MAKE = "touch pyproject.toml && make setup"
BY_PIP = 'python -m pip install -c constraints.txt -e ".[dev]"'
BY_UV = "uv sync --extra dev"
INSTALL = BY_MAKE if "MAKELEVEL" in os.environ else BY_PIP if find_spec("pip") else BY_UV
"""Installs again, as who calls the command is used to; make itself sees only that a file is newer."""
