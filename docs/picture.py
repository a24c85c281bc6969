"""Draws the picture of ``docs/architecture.md`` from what the modules import: ``python docs/picture.py`` renews it."""

import re
from collections.abc import Iterator
from pathlib import Path

import grimp

LAYERS = ("adapters", "service_layer", "domain")
PAGE = Path(__file__).with_name("architecture.md")
PICTURE = re.compile(r"(?<=^```mermaid\n).*?(?=^```)", re.MULTILINE | re.DOTALL)


def picture() -> str:
    """Return the picture as Mermaid: an arrow for each import that no chain of others leads to."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    graph = grimp.build_graph(*LAYERS, cache_dir=None)
    for package in ("adapters.cli", *(f"{layer}.seedwork" for layer in LAYERS)):
        graph.squash_module(package)
    modules = sorted(module for module in graph.modules if module not in LAYERS)
    yield "flowchart TB"
    for layer in LAYERS:
        yield f"    subgraph {layer}"
        for module in modules:
            if module.startswith(f"{layer}."):
                yield f"        {module}[{module.partition('.')[2]}]"
        yield "    end"
    for module in modules:
        imported = graph.find_modules_directly_imported_by(module) - {module, *LAYERS}
        for other in sorted(imported):
            if not any(graph.chain_exists(between, other) for between in imported - {other}):
                yield f"    {module} --> {other}"


if __name__ == "__main__":
    PAGE.write_text(PICTURE.sub(picture(), PAGE.read_text(), count=1))
