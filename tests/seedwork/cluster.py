"""Servers that follow each other."""

import psycopg

from tests.seedwork.postgresql_server import PostgresServer


def ask(server: PostgresServer, statement: str) -> list[tuple[object, ...]]:
    """Execute a statement on the database of a primary or a stand-by."""
    with psycopg.connect(server.url("app").replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []
