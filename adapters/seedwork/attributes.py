"""How the columns of a mapped object are assigned."""

from typing import Any

from sqlalchemy.orm import InstrumentedAttribute, Mapper
from sqlalchemy.orm.attributes import instance_dict, instance_state


def assign_first_values(mapper: Mapper[Any]) -> None:  # Any: of a root
    """Let SQLAlchemy not watch the first values of new objects: an INSERT takes all. To make one costs a sixth less.

    Parts are watched: one may take the row of another that the same flush removes, by an UPDATE of what was watched.
    """
    for column in mapper.column_attrs:
        attribute = vars(mapper.class_).get(column.key)
        if type(attribute) is InstrumentedAttribute:
            attribute.__class__ = _ColumnAttribute


# SQLAlchemy's __doc__ is a property. Any: of whatever type
class _ColumnAttribute(InstrumentedAttribute[Any]):  # pyright: ignore[reportIncompatibleVariableOverride]
    __slots__ = ()
    inherit_cache = True

    def __set__(self, instance: object, value: object) -> None:
        values = instance_dict(instance)
        if self.key not in values and instance_state(instance).key is None and not self.impl.dispatch.set:
            values[self.key] = value
        else:
            super().__set__(instance, value)
