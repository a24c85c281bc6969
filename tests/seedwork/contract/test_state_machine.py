"""Random steps of a unit of work, compared with a model of plain dicts, on every implementation.

Hypothesis enters, nests, reads, changes, fails, commits and leaves in any order, and shows the shortest sequence after
which a unit of work does not do what the model says. The search is the same in each run; ``EXAMPLES=5000`` in the
environment makes it longer, and another one each time.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from itertools import count
from types import SimpleNamespace
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from service_layer.seedwork.errors import ConcurrencyConflict, FailedTransaction, UncommittedChanges, UnitOfWorkMisuse
from tests.seedwork.backends import NewUnit
from tests.seedwork.ordering import (
    Money,
    Order,
    OrderId,
    OrderIdAlreadyUsed,
    OrderingUnitOfWork,
    OrderNotFound,
    OrderNumberTaken,
)

EXAMPLES = int(os.environ.get("EXAMPLES", "80"))


# ---- the model ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Values:
    """What an order shows."""

    number: str
    deposit: Money | None
    lines: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, order: Order) -> Self:
        return cls(order.number, order.deposit, tuple((line.product, line.quantity) for line in order.lines))


Rows = dict[OrderId, tuple[Values, int]]
"""What is stored: the values and the version of each order."""


class Status(Enum):
    UNSAVED = "known to the caller alone"
    ADDED = "to be inserted"
    HELD = "inserted, or loaded"
    REMOVED = "to be deleted"
    DELETED = "deleted"
    FOREIGN = "of an earlier block"
    LOST = "of a block that was not saved: it can only be read"


@dataclass(eq=False, repr=False)
class Known:
    """An order that the caller has."""

    id: OrderId
    values: Values
    order: Order | None
    """None until the unit of work returns it."""
    status: Status = Status.UNSAVED
    version: int = 0
    inserted_in: int = 0
    """How deep the block is that added it, if that can be undone; otherwise 0."""
    deleted_in: int = 0

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:  # noqa: FBT001  # Any: a Hypothesis printer
        printer.text(f"<{self.id.hex[-4:]} {self.values.number} {self.status.name}>")


@dataclass
class Block:
    read_only: bool
    rows: Rows | None
    """The rows on entry; None in an outermost block that has not looked at them yet."""
    is_over: bool = False
    has_failed: bool = False
    has_written: bool = False
    readers: int = 0
    saved: dict[Known, Values] = field(default_factory=dict)
    """What the outermost block has committed."""


class Refused(Exception):
    """One of these errors is expected."""

    def __init__(self, *kinds: type[Exception]) -> None:
        self.kinds = kinds


class Model:
    """A unit of work on dicts, and a stack of them."""

    def __init__(self) -> None:
        self.saved: Rows = {}
        self.rows: Rows | None = None
        self.blocks: list[Block] = []
        self.known: list[Known] = []

    # blocks

    def enter(self, *, read_only: bool) -> None:
        if not self.blocks:
            self.blocks.append(Block(read_only, None))
        elif read_only:
            self.working_block().readers += 1
        elif self.working_block().read_only or self.working_block().readers:
            raise Refused(UnitOfWorkMisuse)
        else:
            self.flush()
            self.blocks.append(Block(read_only, self.view))

    def leave(self, *, by_exception: bool = False) -> None:
        block = self.blocks[-1]
        if block.readers:
            block.readers -= 1
            return
        if block.is_over:
            has_changes = any(known.values != values for known, values in block.saved.items())
        else:
            has_changes = block.has_written or self.is_dirty()
            self.undo()
        self.blocks.pop()
        if has_changes and not block.has_failed and not by_exception:
            raise Refused(UnitOfWorkMisuse if block.read_only else UncommittedChanges)

    def commit(self) -> None:
        block, outer = self.working_block(), len(self.blocks) - 1
        if block.read_only or block.readers:
            raise Refused(UnitOfWorkMisuse)
        self.flush()
        block.is_over = True
        for known in self.known:
            known.inserted_in, known.deleted_in = min(known.inserted_in, outer), min(known.deleted_in, outer)
        if outer:
            self.blocks[-2].has_written |= block.has_written
        else:
            block.saved = {known: known.values for known in self.known if known.status is Status.HELD}
            self.saved = self.view
            self.end()

    def rollback(self) -> None:
        if not self.blocks or self.blocks[-1].is_over:
            raise Refused(UnitOfWorkMisuse)
        self.undo()
        self.blocks[-1].is_over = True

    def undo(self) -> None:
        block, depth = self.blocks[-1], len(self.blocks)
        self.rows = block.rows or {}
        for known in self.known:
            is_of_block = known.status in {Status.HELD, Status.REMOVED} or known.deleted_in == depth
            if known.inserted_in == depth:
                known.status, known.version, known.inserted_in, known.deleted_in = Status.UNSAVED, 0, 0, 0
            elif is_of_block and depth > 1:
                known.status, known.deleted_in = Status.HELD if known.id in self.view else Status.LOST, 0
                known.values, known.version = self.view.get(known.id, (known.values, known.version))
        if depth == 1:
            of_block = [known for known in self.known if known.status in {Status.HELD, Status.REMOVED, Status.DELETED}]
            self.end()
            for known in of_block:
                known.status, known.deleted_in = Status.LOST, 0

    def end(self) -> None:
        """Of the orders that the caller has, keep those of this last block."""
        self.rows = None
        self.known = [known for known in self.in_hand if known.status not in {Status.FOREIGN, Status.LOST}]
        for known in self.known:
            if known.status is not Status.UNSAVED:
                known.status = Status.FOREIGN

    def working_block(self) -> Block:
        if not self.blocks or self.blocks[-1].is_over:
            raise Refused(UnitOfWorkMisuse)
        if self.blocks[-1].has_failed:
            raise Refused(FailedTransaction)
        return self.blocks[-1]

    # queries

    @property
    def view(self) -> Rows:
        """The rows, as they were at the first look at them."""
        if self.rows is None:
            self.rows = self.blocks[0].rows = self.saved
        return self.rows

    @property
    def in_hand(self) -> list[Known]:
        """What the unit of work has returned, or the caller has made."""
        return [known for known in self.known if known.order]

    def of_block(self, id: OrderId, *statuses: Status) -> Known | None:
        return next((known for known in self.known if known.id == id and known.status in statuses), None)

    def load(self, id: OrderId) -> Known | None:
        known = self.of_block(id, Status.HELD)
        if known is None and id in self.view:
            values, version = self.view[id]
            known = Known(id, values, None, Status.HELD, version)
            self.known.append(known)
        return known

    def find(self, id: OrderId) -> Known | None:
        self.working_block()
        if known := self.of_block(id, Status.HELD, Status.REMOVED):
            return known if known.status is Status.HELD else None
        self.flush()
        return self.load(id)

    def get_for_update(self, id: OrderId) -> Known:
        if self.working_block().read_only:
            raise Refused(UnitOfWorkMisuse)
        self.flush()
        if (known := self.load(id)) is None:
            raise Refused(OrderNotFound)
        return known

    def by_number(self, number: str) -> Known | None:
        self.flush()
        return next((self.load(id) for id, (values, _) in self.view.items() if values.number == number), None)

    def page(self) -> list[Known | None]:
        self.flush()
        return [self.load(id) for id in sorted(self.view)]

    def count(self) -> int:
        self.flush()
        return len(self.view)

    # changes

    def insert_many(self, new: list[Known]) -> None:
        self.flush()
        block = self.blocks[-1]
        try:
            if block.read_only:
                raise Refused(UnitOfWorkMisuse)
            for known in new:
                self.refuse_if_taken(known, self.view)
                self.rows = {**self.view, known.id: (known.values, 1)}
        except Refused:
            block.has_failed = True
            raise
        block.has_written = True

    def add(self, known: Known) -> None:
        self.working_block()
        if known.status in {Status.DELETED, Status.FOREIGN, Status.LOST}:
            raise Refused(UnitOfWorkMisuse)
        if known.status is Status.REMOVED:
            known.status = Status.HELD
        if known.status is Status.UNSAVED:
            if self.of_block(known.id, Status.REMOVED):
                self.flush()
            known.status, known.inserted_in = Status.ADDED, len(self.blocks)
            self.known.remove(known)  # what is added last is inserted last
            self.known.append(known)

    def remove(self, known: Known) -> None:
        self.working_block()
        if known.status in {Status.UNSAVED, Status.REMOVED, Status.DELETED}:
            raise Refused(OrderNotFound)
        if known.status is Status.ADDED:
            known.status, known.inserted_in = Status.UNSAVED, 0
        elif known.status is Status.HELD:
            known.status = Status.REMOVED
        else:
            present = self.find(known.id)
            if present is None or present.version != known.version:
                raise Refused(ConcurrencyConflict)
            present.status = Status.REMOVED

    def is_changed(self, known: Known) -> bool:
        return known.status is Status.HELD and self.view[known.id][0] != known.values

    def is_dirty(self) -> bool:
        return any(known.status in {Status.ADDED, Status.REMOVED} or self.is_changed(known) for known in self.known)

    def flush(self) -> None:
        block = self.working_block()
        if not self.is_dirty():
            return
        try:
            if block.read_only:
                raise Refused(UnitOfWorkMisuse)
            for known in sorted(filter(self.is_changed, self.known), key=lambda known: known.id):
                self.save(known, others={id: row for id, row in self.view.items() if id != known.id})
            for known in [known for known in self.known if known.status is Status.ADDED]:
                self.save(known, others=self.view)
        except Refused as refused:
            block.has_failed = True
            # an id that the block holds already, or that two new orders have, is noticed before a statement is sent
            added = [known.id for known in self.known if known.status is Status.ADDED]
            held = len({*added}) < len(added) or any(self.of_block(id, Status.HELD) for id in added)
            raise Refused(*refused.kinds, *[OrderIdAlreadyUsed] * held) from None
        for known in self.known:
            if known.status is Status.REMOVED:
                known.status, known.deleted_in = Status.DELETED, len(self.blocks)
                self.rows = {id: row for id, row in self.view.items() if id != known.id}
        block.has_written = True

    def save(self, known: Known, others: Rows) -> None:
        self.refuse_if_taken(known, others)
        known.status, known.version = Status.HELD, known.version + 1
        self.rows = {**self.view, known.id: (known.values, known.version)}

    def refuse_if_taken(self, known: Known, others: Rows) -> None:
        number_is_taken = known.values.number in {values.number for values, _ in others.values()}
        broken = {OrderIdAlreadyUsed: known.id in others, OrderNumberTaken: number_is_taken}
        if any(broken.values()):
            raise Refused(*(error for error in broken if broken[error]))


# ---- the machine --------------------------------------------------------------------------------------------------


class Interrupted(Exception):
    """What a caller's own code raises."""


numbers = st.sampled_from(["A", "B", "C"])
deposits = st.sampled_from([None, Money(1, "EUR"), Money(2, "EUR")])
orders: st.SearchStrategy[Known] = st.runner().flatmap(lambda machine: st.sampled_from(machine.model.in_hand))

in_block = precondition(lambda machine: machine.model.blocks)
at_work = precondition(lambda machine: machine.is_at_work)
not_at_work = precondition(lambda machine: machine.model.blocks and not machine.is_at_work)
undisturbed = precondition(lambda machine: machine.model.rows is None)
knowing_orders = precondition(lambda machine: machine.model.in_hand)


class UnitOfWorkMachine(RuleBasedStateMachine):
    """Does the same to a unit of work and to the model."""

    new_unit: NewUnit[OrderingUnitOfWork]

    def __init__(self) -> None:
        super().__init__()
        self.uow = self.new_unit()
        self.model = Model()
        self.open: list[AbstractContextManager[object]] = []
        self.products = (f"product {n}" for n in count())
        with self.uow:
            for order in self.uow.orders.page().items:
                self.uow.orders.remove(order)
            self.uow.commit()

    @property
    def is_at_work(self) -> bool:
        return bool(self.model.blocks) and not (self.model.blocks[-1].is_over or self.model.blocks[-1].has_failed)

    def both(self, real: Callable[[], Any], model: Callable[[], Any]) -> Any:  # Any: whatever a step returns
        """Take the same step twice. Return what the model returns, None if both refuse."""
        try:
            expected = model()
        except Refused as refused:
            with pytest.raises(refused.kinds):
                real()
            return None
        self.compare(real(), expected)
        return expected

    def compare(self, returned: Any, expected: Any) -> None:  # Any: whatever a step returns
        if isinstance(expected, list):
            for one, other in zip(returned, expected, strict=True):
                self.compare(one, other)
        elif isinstance(expected, Known):
            expected.order = expected.order or returned
            assert returned is expected.order
        else:
            assert returned == expected

    # blocks

    @rule()
    def enter(self) -> None:
        self.both(lambda: self.open_block(self.uow), lambda: self.model.enter(read_only=False))

    @rule()
    def read(self) -> None:
        self.both(lambda: self.open_block(self.uow.reading()), lambda: self.model.enter(read_only=True))

    def open_block(self, block: AbstractContextManager[object]) -> None:
        block.__enter__()
        self.open.append(block)

    def close_block(self, error: Exception | None) -> None:
        assert not self.open.pop().__exit__(type(error) if error else None, error, None)

    @in_block
    @rule()
    def leave(self) -> None:
        self.both(lambda: self.close_block(None), self.model.leave)
        self.look_again()

    @in_block
    @rule()
    def leave_by_an_exception(self) -> None:
        mine = Interrupted()
        self.both(lambda: self.close_block(mine), lambda: self.model.leave(by_exception=True))
        assert not hasattr(mine, "__notes__")
        self.look_again()

    @at_work
    @rule()
    def commit(self) -> None:
        self.both(self.uow.commit, self.model.commit)

    @in_block
    @rule()
    def rollback(self) -> None:
        self.both(self.uow.rollback, self.model.rollback)

    @at_work
    @rule()
    def flush(self) -> None:
        self.both(self.uow.flush, self.model.flush)

    @not_at_work
    @rule()
    def refuse_all_work(self) -> None:
        self.enter()
        self.read()
        self.commit()
        self.flush()
        self.page()
        for known in self.model.in_hand:
            self.find(known)
            self.add(known)
            self.remove(known)

    # queries

    @at_work
    @knowing_orders
    @rule(known=orders)
    def find(self, known: Known) -> None:
        self.both(lambda: self.uow.orders.find(known.id), lambda: self.model.find(known.id))

    @at_work
    @knowing_orders
    @rule(known=orders)
    def find_and_look(self, known: Known) -> None:
        if found := self.both(lambda: self.uow.orders.find(known.id), lambda: self.model.find(known.id)):
            self.look(found)

    @at_work
    @knowing_orders
    @rule(known=orders)
    def get_for_update(self, known: Known) -> None:
        self.both(lambda: self.uow.orders.get(known.id, for_update=True), lambda: self.model.get_for_update(known.id))

    @at_work
    @rule(number=numbers)
    def by_number(self, number: str) -> None:
        self.both(lambda: self.uow.orders.by_number(number), lambda: self.model.by_number(number))

    @at_work
    @rule()
    def page(self) -> None:
        self.both(lambda: self.uow.orders.page().items, self.model.page)

    @at_work
    @rule()
    def stream(self) -> None:
        self.both(lambda: list(self.uow.orders.stream()), self.model.page)

    @at_work
    @rule()
    def count(self) -> None:
        self.both(lambda: self.uow.orders.count(), self.model.count)

    # changes

    @at_work
    @rule(number=numbers, deposit=deposits, lines=st.integers(0, 2))
    def add_new(self, number: str, deposit: Money | None, lines: int) -> None:
        self.add(self.new(number, deposit, lines))

    def new(self, number: str, deposit: Money | None, lines: int) -> Known:
        order = Order(number=number, deposit=deposit)
        for _ in range(lines):
            order.add_line(next(self.products))
        return self.known(order)

    @at_work
    @rule(numbers=st.lists(numbers, min_size=1, max_size=2), lines=st.integers(0, 1), plain=st.sampled_from([0, 1]))
    def insert_many(self, numbers: list[str], lines: int, plain: int) -> None:
        new = [self.new(number, None, lines) for number in numbers]
        values = map((order_of, plain_values_of)[plain], new)
        self.both(lambda: self.uow.orders.insert_many(values), lambda: self.model.insert_many(new))

    @at_work
    @knowing_orders
    @rule(known=orders, number=numbers)
    def add_another_of_the_same_id(self, known: Known, number: str) -> None:
        self.add(self.known(Order(id=known.id, number=number)))

    def known(self, order: Order) -> Known:
        self.model.known.append(Known(order.id, Values.of(order), order))
        return self.model.known[-1]

    @at_work
    @knowing_orders
    @rule(known=orders)
    def add(self, known: Known) -> None:
        self.both(lambda: self.uow.orders.add(order_of(known)), lambda: self.model.add(known))

    @at_work
    @knowing_orders
    @rule(known=orders)
    def remove(self, known: Known) -> None:
        if known.status is not Status.LOST:
            self.both(lambda: self.uow.orders.remove(order_of(known)), lambda: self.model.remove(known))

    @in_block
    @knowing_orders
    @rule(known=orders, number=numbers)
    def change_the_number(self, known: Known, number: str) -> None:
        if self.may_change(known):
            order_of(known).number = number
            known.values = replace(known.values, number=number)

    @in_block
    @knowing_orders
    @rule(known=orders, deposit=deposits)
    def change_the_deposit(self, known: Known, deposit: Money | None) -> None:
        if self.may_change(known):
            order_of(known).deposit = deposit
            known.values = replace(known.values, deposit=deposit)

    @in_block
    @knowing_orders
    @rule(known=orders)
    def add_a_line(self, known: Known) -> None:
        if self.may_change(known):
            product = next(self.products)
            order_of(known).add_line(product)
            known.values = replace(known.values, lines=(*known.values.lines, (product, 1)))

    @in_block
    @knowing_orders
    @rule(known=orders, quantity=st.integers(1, 2))
    def change_a_line(self, known: Known, quantity: int) -> None:
        if self.may_change(known) and known.values.lines:
            order_of(known).lines[-1].quantity = quantity
            *others, (product, _) = known.values.lines
            known.values = replace(known.values, lines=(*others, (product, quantity)))

    @in_block
    @knowing_orders
    @rule(known=orders)
    def remove_a_line(self, known: Known) -> None:
        if self.may_change(known) and known.values.lines:
            del order_of(known).lines[0]
            known.values = replace(known.values, lines=known.values.lines[1:])

    def may_change(self, known: Known) -> bool:
        """What is deleted or unreadable is not to be changed, nor what the block holds after a failed flush."""
        has_failed = any(block.has_failed for block in self.model.blocks)
        kept = known.status in {Status.UNSAVED, Status.FOREIGN}
        return kept or not (has_failed or known.status in {Status.DELETED, Status.LOST})

    # others

    @undisturbed
    @knowing_orders
    @rule(known=orders, deposit=deposits)
    def another_unit_changes(self, known: Known, deposit: Money | None) -> None:
        if row := self.model.saved.get(known.id):
            with self.new_unit() as uow:
                uow.orders.get(known.id).deposit = deposit
                uow.commit()
            changed = replace(row[0], deposit=deposit)
            self.model.saved = {**self.model.saved, known.id: (changed, row[1] + (changed != row[0]))}

    @undisturbed
    @knowing_orders
    @rule(known=orders)
    def another_unit_removes(self, known: Known) -> None:
        if known.id in self.model.saved:
            with self.new_unit() as uow:
                uow.orders.remove(uow.orders.get(known.id))
                uow.commit()
            self.model.saved = {id: row for id, row in self.model.saved.items() if id != known.id}

    @rule()
    def another_unit_reads(self) -> None:
        with self.new_unit().reading() as uow:
            found = {order.id: (Values.of(order), order.version) for order in uow.orders.page().items}
        assert found == self.model.saved

    # what must hold

    def look_again(self) -> None:
        """After its block an order is readable; what all others see is what was committed."""
        assert self.uow.is_open == bool(self.model.blocks)
        if not self.model.blocks:
            for known in self.model.known:
                self.look(known)
            self.another_unit_reads()

    def look(self, known: Known) -> None:
        order = order_of(known)
        assert Values.of(order) == known.values
        assert order.version == known.version or known.status is Status.LOST

    def teardown(self) -> None:
        for block in reversed(self.open):
            with suppress(Exception):
                block.__exit__(Interrupted, Interrupted(), None)


def order_of(known: Known) -> Order:
    assert known.order
    return known.order


def plain_values_of(known: Known) -> Any:  # Any: an object with the attributes of an order
    order = order_of(known)
    values = {field.name: getattr(order, field.name) for field in fields(order) if field.name != "version"}
    return SimpleNamespace(**values)


def test_a_unit_of_work_does_what_the_model_says(new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    machine = type("Machine", (UnitOfWorkMachine,), {"new_unit": staticmethod(new_unit)})

    run_state_machine_as_test(
        machine,
        settings=settings(
            deadline=None,
            database=None,
            max_examples=EXAMPLES,
            derandomize="EXAMPLES" not in os.environ,
            stateful_step_count=40,
            report_multiple_bugs=False,
            print_blob=False,
            suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no defect
        ),
    )
