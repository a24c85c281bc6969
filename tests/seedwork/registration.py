"""Finds where an aggregate of yours is not registered yet, and names the line to write."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from inspect import isfunction
from types import ModuleType
from typing import Any, get_args, get_type_hints

from sqlalchemy import Table
from typer import Typer

import adapters
import domain
from adapters import cli, mappers
from adapters.seedwork.mapping import mapper_registry
from adapters.seedwork.memory.repository import InMemoryRepository
from adapters.seedwork.sqlalchemy.repository import SqlAlchemyRepository
from adapters.unit_of_work import InMemoryUnitOfWork, SqlAlchemyUnitOfWork
from domain.seedwork.entity import Entity
from domain.seedwork.repository import Repository
from service_layer.unit_of_work import UnitOfWork

Port = type[Repository[Any, Any]]  # Any: of whatever aggregate


def missing_registrations() -> list[str]:
    """Return a sentence for each line that is missing."""
    modules = [*_yours(domain), *_yours(adapters)]
    mappers.start_mappers()
    ports = {port: entity for port in _subclasses(Repository) if (entity := _entity_of(port))}
    return [
        *_not_mapped(modules),
        *_without_port(set(ports.values())),
        *_without_not_found(ports),
        *(sentence for port, entity in ports.items() for sentence in _not_in_unit(port, entity)),
        *_not_in_program(modules),
    ]


def _yours(package: ModuleType) -> list[ModuleType]:
    names = [found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return [import_module(name) for name in names if "seedwork" not in name.split(".")]


def _subclasses(kind: type[Any]) -> Iterator[type[Any]]:  # Any: of whatever class
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


def _entity_of(port: type) -> type[Entity] | None:
    """Return the entity of a port of yours; None for any other class."""
    bases = vars(port).get("__orig_bases__", ()) if port.__module__.startswith("domain.") else ()
    arguments = [argument for base in bases for argument in get_args(base)]
    return next((kind for kind in arguments if isinstance(kind, type) and issubclass(kind, Entity)), None)


def _not_mapped(modules: list[ModuleType]) -> Iterator[str]:
    for module in modules:
        for name, value in vars(module).items():
            here = isfunction(value) and value.__module__ == module.__name__
            if here and name.startswith("map_") and name not in mappers.start_mappers.__code__.co_names:
                yield f"start_mappers() does not call {name}(). In adapters/mappers.py write: {name}()"


def _without_port(entities: set[type[Entity]]) -> Iterator[str]:
    for mapper in mapper_registry.mappers:
        kind, table = mapper.class_, mapper.local_table
        yours = isinstance(table, Table) and table.metadata is mappers.metadata and issubclass(kind, Entity)
        if yours and kind not in entities:
            yield (
                f"{kind.__name__} is mapped and has no repository. In {_file(kind)} write:"
                f" class {kind.__name__}Repository(Repository[{kind.__name__}, {kind.__name__}Id]): ..."
            )


def _without_not_found(ports: dict[Port, type[Entity]]) -> Iterator[str]:
    for port, entity in ports.items():
        if not hasattr(port, "not_found"):
            yield (
                f"{port.__name__} does not say what get() raises. In {_file(port)} write: not_found ="
                f" {entity.__name__}NotFound"
            )


def _not_in_unit(port: Port, entity: type[Entity]) -> Iterator[str]:
    hints = get_type_hints(UnitOfWork)
    names = [name for name, kind in hints.items() if kind is port]
    written = [kind.__module__ for kind in _subclasses(port) if issubclass(kind, SqlAlchemyRepository)]
    name = [*names, *(module.rpartition(".")[2] for module in written), f"{entity.__name__.lower()}s"][0]
    if not names:
        yield (f"UnitOfWork has no {port.__name__}. In service_layer/unit_of_work.py write: {name}: {port.__name__}")
    for unit, kind in (
        (SqlAlchemyUnitOfWork, SqlAlchemyRepository),
        (InMemoryUnitOfWork, InMemoryRepository),
    ):
        registered = getattr(getattr(unit, name, None), "repository", None)
        if not (isinstance(registered, type) and issubclass(registered, port)):
            found = [child.__name__ for child in _subclasses(port) if issubclass(child, kind)]
            implementation = [*found, kind.__name__.replace("Repository", port.__name__)][0]
            yield (
                f"{unit.__name__} has no {port.__name__}."
                f" In adapters/unit_of_work.py write: {name} = RepositoryOf({implementation})"
            )


def _not_in_program(modules: list[ModuleType]) -> Iterator[str]:
    apps = {module: app for module in modules if isinstance(app := vars(module).get("app"), Typer)}
    added = [group.typer_instance for app in apps.values() for group in app.registered_groups]
    for module, app in apps.items():
        name = module.__name__.rpartition(".")[2]
        if module is not cli and app not in added:
            yield (
                f"The program has no commands of {module.__name__}."
                f' In adapters/cli/__init__.py write: app.add_typer({name}.app, name="{name}")'
            )


def _file(kind: type) -> str:
    return f"{kind.__module__.replace('.', '/')}.py"
