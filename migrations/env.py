"""What ``alembic`` runs: the tables of this application, on the database of its settings."""

from adapters.mappers import metadata
from adapters.settings import Settings
from migrations.seedwork.environment import migrate

migrate(metadata, Settings)
