"""dependency-injector's containers, without what their wiring imports: every web framework that is installed.

That would be a quarter of a program's start. Who wires a container all the same imports it then.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["DeclarativeContainer"]

_WIRING = "dependency_injector.wiring"


def _imported_when_called(name: str) -> Callable[..., Any]:  # Any: the library's functions have types of their own
    def function(*args: Any, **named: Any) -> Any:
        return getattr(import_module(_WIRING), name)(*args, **named)

    return function


_late = ModuleType(_WIRING)
vars(_late).update({name: _imported_when_called(name) for name in ("wire", "unwire")})
_found = sys.modules.setdefault(_WIRING, _late)
try:
    from dependency_injector.containers import DeclarativeContainer
finally:
    if _found is _late:
        del sys.modules[_WIRING]
