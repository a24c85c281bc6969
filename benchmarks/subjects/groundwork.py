"""This project: the calls of its repositories in a block of the unit of work, and its service functions."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID

from adapters.container import bootstrap
from adapters.settings import Settings
from benchmarks.subject import AGE, NAME, PAGE, Subject
from domain.user import User, UserId
from service_layer import users
from service_layer.user_import import export_users, import_users


class Groundwork(Subject):
    name = "groundwork, repository"

    def __init__(self, url: str) -> None:
        self._stack = ExitStack()
        self._unit_of_work = self._stack.enter_context(bootstrap(settings=Settings(database_url=url))).unit_of_work

    def register(self) -> UUID:
        with self._unit_of_work() as uow:
            user = User(name=NAME, age=AGE)
            uow.users.add(user)
            uow.commit()
        return user.id

    def get(self, id: UUID) -> int:
        with self._unit_of_work() as uow:
            return uow.users.get(UserId(id)).age

    def change(self, id: UUID, age: int) -> int:
        with self._unit_of_work() as uow:
            user = uow.users.get(UserId(id))
            user.change_age(age)
            uow.commit()
        return user.version

    def remove(self, id: UUID) -> None:
        with self._unit_of_work() as uow:
            uow.users.remove(uow.users.get(UserId(id)))
            uow.commit()

    def page(self, after: UUID) -> int:
        with self._unit_of_work() as uow:
            return len(uow.users.page(after=after, limit=PAGE).items)

    def make(self, count: int) -> Iterator[Any]:
        return (User(name=NAME, age=AGE) for _ in range(count))

    def insert(self, users: Iterable[Any]) -> None:
        with self._unit_of_work() as uow:
            uow.users.insert_many(users)
            uow.commit()

    def stream(self, write: Callable[[int], object]) -> None:
        with self._unit_of_work() as uow:
            for user in uow.users.stream():
                write(user.age)


class GroundworkService(Groundwork):
    name = "groundwork, service function"

    def register(self) -> UUID:
        return users.register_user(self._unit_of_work(), name=NAME, age=AGE).id

    def get(self, id: UUID) -> int:
        return users.get_user(self._unit_of_work(), UserId(id)).age

    def change(self, id: UUID, age: int) -> int:
        return users.change_user_age(self._unit_of_work(), UserId(id), age).version

    def remove(self, id: UUID) -> None:
        users.remove_user(self._unit_of_work(), UserId(id))

    def page(self, after: UUID) -> int:
        return len(users.list_users(self._unit_of_work(), after=after, limit=PAGE).items)

    def make(self, count: int) -> Iterator[Any]:
        return ({"name": NAME, "age": AGE} for _ in range(count))

    def insert(self, users: Iterable[Any]) -> None:
        import_users(self._unit_of_work(), users)

    def stream(self, write: Callable[[int], object]) -> None:
        export_users(self._unit_of_work(), lambda user: write(user.age))
