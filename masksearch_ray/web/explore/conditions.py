"""Conditions on metadata, a line each."""

from __future__ import annotations

from collections.abc import Callable
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
_OTHER = "column "


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

    def _change(self, at: int, condition: Condition | None) -> None:
        if condition is None:
            del self._where[at]
        else:
            redraw = condition.operator != self._where[at].operator
            self._where[at] = condition
            if not redraw:
                self._tell()
                return
        self._draw()
        self._tell()

    def _tell(self) -> None:
        self._on_change(tuple(self._where))

    def _draw(self) -> None:
        self._lines.clear()
        with self._lines:
            for at, condition in enumerate(self._where):
                self._line(at, condition)

    def _line(self, at: int, condition: Condition) -> None:
        offer = self._offers.get(condition.column)
        operators = offer.operators if offer is not None else (condition.operator,)
        if condition.operator not in operators:
            operators = (*operators, condition.operator)
        with ui.row().classes("w-full items-center gap-1 no-wrap"):
            ui.label(condition.column).classes("text-sm shrink-0")
            choose = ui.select(
                {op: _TOLD.get(op, op) for op in operators}, value=condition.operator
            )
            named(choose, f"{condition.column}: comparison").props("dense outlined")
            choose.on_value_change(
                lambda event: self._change(at, self._with_operator(self._where[at], event.value))
            )
            with ui.element("div").classes("grow min-w-0"):
                self._value(at, condition, offer)
            remove = ui.button(icon="close", on_click=lambda: self._change(at, None))
            named(remove, f"Remove: {condition.column}").props("flat round dense size=sm")

    def _with_operator(self, condition: Condition, operator: Any) -> Condition:
        offer = self._offers.get(condition.column)
        fresh = Condition(condition.column, operator) if offer is None else _first(offer, operator)
        if condition.other and fresh.operator in ("=", "<>", "<", "<=", ">", ">="):
            return replace(condition, operator=fresh.operator)
        if len(fresh.values) == len(condition.values) and operator != "between":
            return replace(fresh, values=condition.values)
        return fresh

    def _value(self, at: int, condition: Condition, offer: Offer | None) -> None:
        name, operator = condition.column, condition.operator
        if operator in ("is null", "is not null"):
            return
        if operator in ("in", "not in"):
            known = list(dict.fromkeys([*(offer.values if offer else ()), *condition.values]))
            many = ui.select(known, value=list(condition.values), multiple=True)
            named(many, f"{name}: values").props("dense outlined use-chips").classes("w-full")
            many.on_value_change(
                lambda event: self._change(
                    at, replace(self._where[at], values=tuple(event.value or ()))
                )
            )
        elif operator == "between":
            with ui.row().classes("no-wrap gap-1"):
                for place in (0, 1):
                    self._typed(at, condition, offer, place)
        elif offer is not None and (offer.values or offer.others) and "like" not in operator:
            self._chosen(at, condition, offer)
        else:
            self._typed(at, condition, offer, 0)

    def _chosen(self, at: int, condition: Condition, offer: Offer) -> None:
        """A value to choose or to type, or another column."""
        options: dict[Any, str] = {value: str(value) for value in offer.values}
        options |= {_OTHER + other: f"→ {other}" for other in offer.others}
        value = _OTHER + condition.other if condition.other else (*condition.values, None)[0]
        if value is not None:
            options.setdefault(value, str(value))
        choose = ui.select(options, value=value)
        named(choose, f"{condition.column}: value").props("dense outlined").classes("w-full")

        def chosen(event: Any) -> None:
            now = self._where[at]
            if isinstance(event.value, str) and event.value in {_OTHER + o for o in offer.others}:
                other = event.value.removeprefix(_OTHER)
                self._change(at, replace(now, values=(), other=other))
            else:
                self._change(at, replace(now, values=(event.value,), other=""))

        choose.on_value_change(chosen)

    def _typed(self, at: int, condition: Condition, offer: Offer | None, place: int) -> None:
        values: list[Any] = [*condition.values, None, None]
        number = offer is not None and offer.kind in ("int", "float")
        make: Any = ui.number if number else ui.input
        control = make(value=values[place])
        end = ("from", "to")[place] if condition.operator == "between" else "value"
        named(control, f"{condition.column}: {end}").props("dense outlined debounce=300")
        control.classes("w-full")

        def typed(event: Any) -> None:
            now: list[Any] = list(self._where[at].values) or [None]
            now[place] = _whole(event.value) if offer and offer.kind == "int" else event.value
            self._change(at, replace(self._where[at], values=tuple(now)))

        control.on_value_change(typed)


def _first(offer: Offer, operator: Any) -> Condition:
    """A condition as it is when it was just added: on the likeliest value."""
    likely = next((v for v in (*offer.values, offer.low) if v is not None), "")
    if operator in ("is null", "is not null"):
        return Condition(offer.column, operator)
    if operator == "between":
        high = offer.high if offer.high is not None else likely
        low = offer.low if offer.low is not None else likely
        return Condition(offer.column, operator, (low, high))
    return Condition(offer.column, operator, (likely,))


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
