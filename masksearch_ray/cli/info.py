"""``info``: what a collection holds."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from masksearch_ray.cli.help import add_command
from masksearch_ray.cli.opening import opened
from masksearch_ray.cli.options import Cache, CacheBytes, Collection, StorageOption, Version
from masksearch_ray.cli.output import show_table
from masksearch_ray.cli.parse import named_values
from masksearch_ray.model.text import count, percent, size

if TYPE_CHECKING:
    import masksearch_ray as ms
    from masksearch_ray.collection.manifest import Manifest

__all__ = ["add_to"]

_BAR = 40

AsJson = Annotated[bool, typer.Option("--json", help="The same as a JSON object.")]
Values = Annotated[
    bool, typer.Option("--values", help="Also how many pixels have which values; may read them.")
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app, info, "Ask", "masksearch info maps/", "masksearch info maps/ --json | jq .sizes"
    )


def info(
    collection: Collection,
    storage_option: StorageOption,
    version: Version = None,
    values: Values = False,
    as_json: AsJson = False,
    cache: Cache = None,
    cache_bytes: CacheBytes = None,
) -> None:
    """Say what is in a collection: masks, columns, index, bytes."""
    from masksearch_ray.collection.parts import list_specs
    from masksearch_ray.collection.versions import list_versions, open_manifest
    from masksearch_ray.model.roi import roi_key
    from masksearch_ray.storage import open_storage

    storage = open_storage(collection, named_values(storage_option, "--storage-option"))
    manifest = open_manifest(storage, version)
    facts = _facts(manifest, storage.url, [kept.version for kept in list_versions(storage)])
    facts["index"]["later"] = [
        {"bins": len(spec.edges) - 1, "histograms": [roi_key(roi) for roi in spec.rois]}
        for spec in list_specs(storage)
    ]
    if values:
        where = collection, storage_option
        with opened(*where, version=manifest.version, cache=cache, cache_bytes=cache_bytes) as col:
            facts["values"] = _values(col)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        _show(facts)


def _facts(manifest: Manifest, url: str, versions: list[int]) -> dict[str, Any]:
    from masksearch_ray.collection.specs import rois_for
    from masksearch_ray.model.roi import roi_key

    sizes = manifest.sizes
    return {
        "url": url,
        "version": manifest.version,
        "versions": versions,
        "created": manifest.created,
        "masks": manifest.rows,
        "deleted": sum(segment.rows - segment.alive for segment in manifest.segments),
        "segments": len(manifest.segments),
        "registered": sum(s.rows for s in manifest.segments if s.kind == "registered"),
        "domain": [manifest.domain.lo, manifest.domain.hi],
        "nan": manifest.nan,
        "shapes": _shapes(manifest),
        "columns": {"mask_id": "int64", **_columns(manifest)},
        "index": {
            "bins": len(manifest.spec.edges) - 1,
            "cell": manifest.spec.cell,
            "histograms": [roi_key(r) for r in rois_for(manifest.spec.rois, manifest.schema)],
            "share": sizes.index_share,
        },
        "sizes": {
            "raw": sizes.raw,
            "pixels": sizes.pixels,
            "chi": sizes.chi,
            "histograms": sizes.histograms,
            "tile_directory": sizes.directory,
            "metadata": sizes.rows,
        },
    }


def _shapes(manifest: Manifest) -> list[dict[str, Any]]:
    """Sizes and dtypes with the masks of each, deleted ones included, the most frequent first."""
    shapes: Counter[tuple[int, int, str]] = Counter()
    for segment in manifest.segments:
        for block in segment.blocks:
            shape = block.shape
            shapes[shape.height, shape.width, shape.dtype] += block.rows
    return [
        {"height": height, "width": width, "dtype": dtype, "masks": masks}
        for (height, width, dtype), masks in shapes.most_common()
    ]


def _columns(manifest: Manifest) -> dict[str, str]:
    from masksearch_ray.collection.specs import BOX, BOXES

    named = {BOX: "box", BOXES: "list of boxes"}
    return {field.name: named.get(field.type, str(field.type)) for field in manifest.schema}


def _values(collection: ms.Collection) -> dict[str, list[float]]:
    edges, counts = collection.histogram()
    return {"edges": edges.tolist(), "pixels": counts.tolist()}


def _show(facts: dict[str, Any]) -> None:
    show_table(("", ""), list(_summary(facts)), header=False)
    print()
    show_table(("column", "type"), list(facts["columns"].items()))
    print()
    show_table(("bytes", "size", "share of pixels"), _size_rows(facts["sizes"]), right=(1, 2))
    if "values" in facts:
        print()
        show_table(("value", "pixels", "share", ""), _value_rows(facts["values"]), right=(0, 2))


def _summary(facts: dict[str, Any]) -> list[tuple[str, str]]:
    deleted = f" ({count(facts['deleted'])} more are deleted)" if facts["deleted"] else ""
    in_place = f", {count(facts['registered'], 'mask')} in place" if facts["registered"] else ""
    index = facts["index"]
    cell = f"{index['cell']} px" if index["cell"] else "by the masks' size"
    return [
        ("collection", facts["url"]),
        ("version", f"{facts['version']} of {facts['created']}, {_versions(facts['versions'])}"),
        ("masks", f"{count(facts['masks'])}{deleted}"),
        ("segments", f"{count(facts['segments'])}{in_place}"),
        *(
            ("shape", f"{s['height']} x {s['width']} {s['dtype']}: {count(s['masks'], 'mask')}")
            for s in facts["shapes"]
        ),
        ("values", f"{facts['domain'][0]:g} to {facts['domain'][1]:g}, NaN: {facts['nan']}"),
        ("index", f"{count(index['bins'], 'bin')}, cells {cell}"),
        ("histograms", ", ".join(index["histograms"])),
        *(
            ("built later", f"{', '.join(part['histograms'])}, {count(part['bins'], 'bin')}")
            for part in index["later"]
        ),
    ]


def _versions(versions: list[int]) -> str:
    return f"{count(len(versions), 'version')} kept"


def _size_rows(sizes: dict[str, int]) -> list[tuple[str, str, str]]:
    pixels = sizes["pixels"]
    parts = {"chi": "index: CHI", "histograms": "index: ROI histograms"}
    parts["tile_directory"] = "index: where tiles lie"
    index = sum(sizes[part] for part in parts)
    return [
        ("masks as given", size(sizes["raw"]), percent(sizes["raw"], pixels)),
        ("pixels, compressed", size(pixels), percent(pixels, pixels)),
        *((name, size(sizes[part]), percent(sizes[part], pixels)) for part, name in parts.items()),
        ("index in all", size(index), percent(index, pixels)),
        ("metadata", size(sizes["metadata"]), percent(sizes["metadata"], pixels)),
    ]


def _value_rows(values: dict[str, list[float]]) -> list[tuple[str, int, str, str]]:
    edges, pixels = values["edges"], values["pixels"]
    total, most = sum(pixels), max(pixels, default=0) or 1
    return [
        (f"{low:g} to {high:g}", int(n), percent(n, total), "█" * round(_BAR * n / most))
        for low, high, n in zip(edges, edges[1:], pixels, strict=False)
    ]
