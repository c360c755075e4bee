"""Conditions on metadata, a line each."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from nicegui import ui

from masksearch_ray.web.build import Condition, Offer
from masksearch_ray.web.named import named

__all__ = ["Conditions"]

_TOLD = {
    "=": "is", "<>": "is not", "in": "is one of", "not in": "is none of", "between": "between",
    "like": "like", "not like": "not like", "is null": "is empty", "is not null": "is not empty",
}  # fmt: skip
_COMPARING = ("=", "<>", "<", "<=", ">", ">=")
_SEVERAL = ("in", "not in")
_NULL = ("is null", "is not null")
_OTHER = "column "
_TYPED = "value"


class Conditions:
    """The lines, and the select that adds one.

    Parameters
    ----------
    on_change : callable
        Told all conditions.
    """

    def __init__(self, on_change: Callable[[tuple[Condition, ...]], Any]) -> None:
        self._offers: dict[str, Offer] = {}
        self._where: list[Condition] = []
        self._places: list[ui.element] = []
        self._on_change = on_change
        self._lines = ui.column().classes("w-full gap-1")
        self._add = ui.select([], label="Add a filter on …").classes("w-full")
        self._add.props('dense outlined aria-label="Add a filter on a column"').mark("add-filter")
        self._add.on_value_change(self._added)

    def offer(self, offers: tuple[Offer, ...]) -> None:
        """Take what the collection offers."""
        self._offers = {offer.column: offer for offer in offers}
        self._add.set_options(list(self._offers))
        self._draw()

    def set(self, where: tuple[Condition, ...]) -> None:
        """Show conditions without telling that they changed."""
        if list(where) != self._where:
            self._where = list(where)
            self._draw()

    def _added(self, event: Any) -> None:
        offer = self._offers.get(event.value)
        self._add.set_value(None)
        if offer is None:
            return
        self._where.append(_first(offer, offer.operators[0]))
        self._draw()
        self._tell()

    def _change(self, at: int, condition: Condition) -> None:
        offer = self._offers.get(condition.column)
        stays = _look(condition, offer) == _look(self._where[at], offer)
        self._where[at] = condition
        if not stays:
            # No other control is made anew: with it would go the keyboard's focus.
            self._places[at].clear()
            with self._places[at]:
                self._value(at, condition, offer)
        self._tell()

    def _remove(self, at: int) -> None:
        del self._where[at]
        self._draw()
        self._tell()

    def _tell(self) -> None:
        self._on_change(tuple(self._where))

    def _draw(self) -> None:
        self._lines.clear()
        self._places = []
        with self._lines:
            for at, condition in enumerate(self._where):
                self._line(at, condition)

    def _line(self, at: int, condition: Condition) -> None:
        offer = self._offers.get(condition.column)
        operators = offer.operators if offer is not None else (condition.operator,)
        if condition.operator not in operators:
            operators = (*operators, condition.operator)
        with ui.element("div").classes("ms-condition"):
            ui.label(condition.column).classes("text-sm shrink-0")
            choose = ui.select(
                {op: _TOLD.get(op, op) for op in operators}, value=condition.operator
            )
            named(choose, f"{condition.column}: comparison").props("dense outlined")
            choose.on_value_change(
                lambda event: self._change(at, self._with_operator(self._where[at], event.value))
            )
            with ui.element("div").classes("ms-value"):
                with ui.element("div").classes("grow min-w-0") as place:
                    self._value(at, condition, offer)
                self._places.append(place)
                remove = ui.button(icon="close", on_click=lambda: self._remove(at))
                named(remove, f"Remove: {condition.column}").props("flat round dense size=sm")

    def _with_operator(self, condition: Condition, operator: Any) -> Condition:
        """The condition with another operator, and as much of its values as that takes."""
        offer = self._offers.get(condition.column)
        fresh = Condition(condition.column, operator) if offer is None else _first(offer, operator)
        if condition.other and fresh.operator in _COMPARING:
            return replace(condition, operator=fresh.operator)
        if fresh.operator in _SEVERAL and condition.values:
            return replace(fresh, values=condition.values)
        if len(fresh.values) == 1 and condition.values:
            return replace(fresh, values=condition.values[:1])
        return fresh

    def _value(self, at: int, condition: Condition, offer: Offer | None) -> None:
        match _look(condition, offer):
            case "several":
                self._several(at, condition, offer)
            case "two":
                with ui.row().classes("no-wrap gap-1"):
                    for place in (0, 1):
                        self._typed(at, condition, offer, place)
            case "choice" if offer is not None:
                self._chosen(at, condition, offer)
            case "text or column" if offer is not None:
                self._add_others(self._typed(at, condition, offer, 0), at, offer)
            case "text":
                self._typed(at, condition, offer, 0)

    def _several(self, at: int, condition: Condition, offer: Offer | None) -> None:
        """Values to choose, or else to type."""
        name = f"{condition.column}: values"

        def changed(values: tuple[Any, ...]) -> None:
            self._change(at, replace(self._where[at], values=values))

        if offer is None or offer.values:
            known = list(dict.fromkeys([*(offer.values if offer else ()), *condition.values]))
            many = ui.select(known, value=list(condition.values), multiple=True)
            named(many, name).props("dense outlined use-chips").classes("w-full")
            many.on_value_change(lambda event: changed(tuple(event.value or ())))
            return
        typed = ui.input(value=_list_text(condition.values), placeholder="one, another")
        typed.validation = lambda text: None if _listed(text, offer.kind) else "with commas between"
        named(typed, name).props("dense outlined debounce=120").classes("w-full")

        def told(event: Any) -> None:
            values = _listed(event.value, offer.kind)
            if values:
                changed(values)

        typed.on_value_change(told)

    def _chosen(self, at: int, condition: Condition, offer: Offer) -> None:
        """A value to choose, or another column."""
        options: dict[Any, str] = {value: str(value) for value in offer.values}
        if not options:
            options = {_TYPED: "a value …"}
        options |= {_OTHER + other: f"→ {other}" for other in offer.others}
        value = _OTHER + condition.other if condition.other else (*condition.values, None)[0]
        if value is not None:
            options.setdefault(value, str(value))
        choose = ui.select(options, value=value)
        named(choose, f"{condition.column}: value").props("dense outlined").classes("w-full")

        def chosen(event: Any) -> None:
            now = self._where[at]
            if event.value == _TYPED and not offer.values:
                self._change(at, _first(offer, now.operator))
            elif isinstance(event.value, str) and event.value in {_OTHER + o for o in offer.others}:
                self._compare(at, event.value.removeprefix(_OTHER))
            else:
                self._change(at, replace(now, values=(event.value,), other=""))

        choose.on_value_change(chosen)

    def _typed(self, at: int, condition: Condition, offer: Offer | None, place: int) -> Any:
        values: list[Any] = [*condition.values, None, None]
        number = offer is not None and offer.kind in ("int", "float")
        make: Any = ui.number if number else ui.input
        control = make(value=values[place])
        end = ("from", "to")[place] if condition.operator == "between" else "value"
        named(control, f"{condition.column}: {end}").props("dense outlined debounce=120")
        control.classes("w-full")

        def typed(event: Any) -> None:
            now: list[Any] = list(self._where[at].values) or [None]
            now[place] = _whole(event.value) if offer and offer.kind == "int" else event.value
            self._change(at, replace(self._where[at], values=tuple(now)))

        control.on_value_change(typed)
        return control

    def _add_others(self, control: Any, at: int, offer: Offer) -> None:
        """Let a column be chosen in place of a value that is typed."""
        with control.add_slot("append"):
            button = ui.button(icon="more_vert").props("flat round dense size=sm")
            named(button, f"{offer.column}: another column")
            with button, ui.menu():
                for other in offer.others:
                    item = ui.menu_item(f"→ {other}", lambda other=other: self._compare(at, other))
                    item.props("role=menuitem")

    def _compare(self, at: int, other: str) -> None:
        self._change(at, replace(self._where[at], values=(), other=other))


def _look(condition: Condition, offer: Offer | None) -> str:
    """Which control a condition's value has."""
    operator = condition.operator
    if operator in _NULL:
        return "nothing"
    if operator in _SEVERAL:
        return "several"
    if operator == "between":
        return "two"
    if offer is None or operator not in _COMPARING:
        return "text"
    if offer.values or condition.other:
        return "choice"
    return "text or column" if offer.others else "text"


def _first(offer: Offer, operator: Any) -> Condition:
    """A condition as it is when it was just added: on the likeliest value."""
    likely = next((v for v in (*offer.values, offer.low) if v is not None), "")
    if operator in _NULL:
        return Condition(offer.column, operator)
    if operator == "between":
        high = offer.high if offer.high is not None else likely
        low = offer.low if offer.low is not None else likely
        return Condition(offer.column, operator, (low, high))
    return Condition(offer.column, operator, (likely,))


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _list_text(values: Sequence[object]) -> str:
    """Values with commas between, those in quotes that hold one."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def _listed(text: str | None, kind: str) -> tuple[Any, ...]:
    """Values of a column's kind, as they were typed; none where one is none of the kind."""
    make: Any = {"int": int, "float": float}.get(kind, str)
    parts = next(csv.reader([text or ""], skipinitialspace=True), [])
    try:
        return tuple(make(part.strip()) for part in parts if part.strip())
    except ValueError:
        return ()
