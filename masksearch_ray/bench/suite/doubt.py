"""Section: rows that the index leaves in doubt, and what the index takes."""

from __future__ import annotations

from masksearch_ray.bench.building import trade
from masksearch_ray.bench.documents import told_bytes, told_table
from masksearch_ray.bench.questions import filters
from masksearch_ray.bench.suite.report import Section, Target
from masksearch_ray.bench.suite.setting import Setting
from masksearch_ray.session import open

_TRADED_MASKS = 2000
_TRADED = ((64, 20), (32, 10), (32, 20), (32, 40), (16, 20))

__all__ = ["measure", "measure_size"]


def measure(setting: Setting) -> Section:
    """Rows and tiles in doubt of a filter by the default index."""
    question = filters(setting.dataset, ("constant",), ((0.6, 1.0),), (0.01,))[0]
    with open(setting.collection, version=setting.first) as collection:
        surely, possibly = collection.count_bounds(question.sql)
        stats = collection.sql(question.sql).stats
    doubt = (possibly - surely) / stats.rows_selected
    verified = stats.rows_verified / stats.rows_selected
    tiles = stats.tiles_read / max(1, stats.rows_verified)
    whole = stats.tiles_total / stats.rows_selected
    targets = (
        Target(
            f"rows in doubt, {question.name}, default index",
            "<= 1 %",
            f"{100 * doubt:.3g} % in doubt, {100 * verified:.3g} % verified",
            doubt <= 0.01,
            "0 % with a ROI histogram of the region",
        ),
        Target(
            "decode only tiles in doubt",
            "fewer than all tiles of a row",
            f"{tiles:.3g} tiles a verified row of {whole:g}",
            tiles < whole if stats.rows_verified else None,
        ),
    )
    return Section("doubt", targets)


def measure_size(setting: Setting) -> Section:
    """Bytes of the collection by part."""
    with open(setting.collection, version=setting.first) as collection:
        sizes, masks = collection.sizes, len(collection)
    parts = [
        ("masks as given", sizes.raw),
        ("pixels, compressed", sizes.pixels),
        ("index: columns of cells", sizes.chi),
        ("index: ROI histograms", sizes.histograms),
        ("index: directory of tiles", sizes.directory),
        ("metadata", sizes.rows),
    ]
    rows = [
        [
            name,
            told_bytes(size),
            f"{size / masks:,.0f}",
            f"{100 * size / sizes.pixels:.3g} %",
        ]
        for name, size in parts
    ]
    share = sizes.index / sizes.pixels
    side = setting.dataset.options.side
    target = Target(
        f"index of masks of {side} x {side}, by their compressed pixels",
        "<= 5 %",
        f"{100 * share:.3g} %",
        share <= 0.05,
        f"pixels take {100 * sizes.pixels / sizes.raw:.3g} % of the masks as given",
    )
    header = ["part", "bytes", "bytes a mask", "of compressed pixels"]
    tables = {"size": told_table(header, rows), "size-traded": _traded(setting)}
    return Section("size", (target,), tables)


def _traded(setting: Setting) -> str:
    """What smaller cells and more bins cost, and what they are good for."""
    masks = min(_TRADED_MASKS, setting.dataset.images)
    question = filters(setting.dataset, ("constant",), ((0.6, 1.0),), (0.01,), images=masks)[0]
    setting.note(f"indexes of other cells and bins, {masks:,} masks")
    found = setting.apart(trade, setting.dataset, question, masks, _TRADED)
    rows = [
        [
            f"{one.cell} px, {one.bins} bins",
            f"{100 * one.index:.3g} %",
            f"{100 * one.doubt:.3g} %",
        ]
        for one in found
    ]
    header = [f"cells, bins; {masks:,} masks", "index of compressed pixels", "rows in doubt"]
    return told_table(header, rows)
