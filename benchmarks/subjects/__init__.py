"""Who is measured: this project, and what one would pick instead; one module for each library."""

from importlib import import_module

from benchmarks.subject import Subject

DRIVERS = {"SQLite": "drivers:Sqlite3", "PostgreSQL": "drivers:Psycopg"}
BASELINE = "sessions:NakedSession"
SUBJECTS = (
    "core:Core",
    BASELINE,
    "sessions:CarelessSession",
    "sessions:Textbook",
    "groundwork:Groundwork",
    "groundwork:GroundworkService",
    "advanced_alchemy:AdvancedAlchemy",
    "sqlmodel:SqlModel",
    "django_orm:Django",
)


def subject_at(place: str) -> type[Subject]:
    """Return a subject by its place; it is imported now, so that a process that measures one does not load all."""
    module, _, kind = place.partition(":")
    found: type[Subject] = getattr(import_module(f"benchmarks.subjects.{module}"), kind)
    return found
