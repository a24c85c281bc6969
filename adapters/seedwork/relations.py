"""What the relationships and foreign keys of a mapping say."""

from typing import Any

from sqlalchemy import ColumnElement, ForeignKeyConstraint
from sqlalchemy.orm import Mapper, RelationshipProperty
from sqlalchemy.sql.elements import UnaryExpression

Relation = RelationshipProperty[Any]  # Any: of whatever classes

ORDERING = "_refers_by_"
"""The prefix of relationships that only order the statements of a flush; no code reads them."""


def order_of(expression: ColumnElement[Any]) -> tuple[ColumnElement[Any], set[object]]:  # Any: of whatever type
    """Return what an ``order_by`` names, without its modifiers, and these: ``desc_op``, ``nulls_last_op`` and so on."""
    if isinstance(expression, UnaryExpression) and expression.modifier:
        column, modifiers = order_of(expression.element)
        return column, modifiers | {expression.modifier}
    return expression, set()


def has_attributes(mapper: Mapper[Any], key: ForeignKeyConstraint) -> bool:  # Any: of an entity, or of a part
    """Whether the mapping has each column of a foreign key: one that it leaves out is another program's."""
    return {*key.columns} <= {*mapper.columns}
