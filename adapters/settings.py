"""The application's settings: those of its database, and its own."""

from adapters.seedwork.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """What differs between installations. Each field is an environment variable in capitals: ``DATABASE_URL``.

    Add a field of your own here. Raises: pydantic.ValidationError (a value is not allowed); its text holds no secret.
    """
