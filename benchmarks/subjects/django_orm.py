"""Django's ORM without its web framework, on one connection a thread, as Django keeps it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

import django
from django.conf import settings
from django.db import models, transaction
from sqlalchemy import make_url

from benchmarks.engines import PRAGMAS
from benchmarks.subject import AGE, NAME, PAGE, Subject
from domain.seedwork.entity import new_id

settings.configure(DATABASES={})
django.setup()  # before the first model


class User(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(max_length=100)
    age = models.IntegerField()
    email = models.CharField(max_length=254, null=True)
    version = models.IntegerField(default=1)

    class Meta:
        app_label = "benchmarks"
        db_table = "users"


class Django(Subject):
    name = "Django ORM"

    def __init__(self, url: str) -> None:
        place = make_url(url)
        settings.DATABASES["default"] = (
            {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": place.database,
                "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": ";".join(PRAGMAS)},
            }
            if place.drivername == "sqlite"
            else {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": place.database,
                "USER": place.username,
                "PASSWORD": place.password,
                "HOST": place.query.get("host", place.host),
                "PORT": place.query.get("port", place.port),
            }
        )

    def register(self) -> UUID:
        with transaction.atomic():
            user = User.objects.create(name=NAME, age=AGE)
        return user.id

    def get(self, id: UUID) -> int:
        with transaction.atomic():
            return User.objects.get(pk=id).age

    def change(self, id: UUID, age: int) -> int:
        with transaction.atomic():
            user = User.objects.get(pk=id)
            user.age = age
            user.version += 1  # Django has no optimistic lock
            user.save(update_fields=["age", "version"])
        return user.version

    def remove(self, id: UUID) -> None:
        with transaction.atomic():
            User.objects.get(pk=id).delete()

    def page(self, after: UUID) -> int:
        with transaction.atomic():
            return len(User.objects.filter(pk__gt=after).order_by("pk")[:PAGE])

    def make(self, count: int) -> Iterator[Any]:
        return (User(name=NAME, age=AGE) for _ in range(count))

    def insert(self, users: Iterable[Any]) -> None:
        with transaction.atomic():
            User.objects.bulk_create(list(users))

    def stream(self, write: Callable[[int], object]) -> None:
        with transaction.atomic():
            for user in User.objects.order_by("pk").iterator(chunk_size=1_000):
                write(user.age)
