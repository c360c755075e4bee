"""Heat maps and overlays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from masksearch_ray.errors import InputError
from masksearch_ray.render import RGB, colour_scale, heat_map, overlay

RAMP = np.linspace(0, 1, 256).reshape(16, 16)
IMAGE: RGB = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
GREY = (96, 96, 96)


def brightness(picture: RGB) -> NDArray[np.float64]:
    """Luma as the eye weighs the colours."""
    return np.asarray(picture @ np.array([0.2126, 0.7152, 0.0722]))


def test_higher_values_are_brighter_from_black_to_pale_yellow() -> None:
    picture = heat_map(RAMP)
    assert picture.shape == (16, 16, 3) and picture.dtype == np.uint8
    assert np.array_equal(picture.reshape(256, 3), colour_scale())
    assert (np.diff(brightness(picture).ravel()) > -1).all()
    assert (np.diff(brightness(picture).ravel()[::8]) > 0).all()
    assert brightness(picture[:1, :1]) < 5
    red, green, blue = (int(c) for c in picture[-1, -1])
    assert red > 240 and green > 240 and blue < 200
    red, green, blue = (int(c) for c in heat_map(np.array([[0.5]]))[0, 0])
    assert red > 2 * max(green, blue)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.float32, np.float64])
def test_values_of_every_kind(dtype: Any) -> None:
    values: NDArray[Any] = (RAMP > 0.5) if dtype is bool else (200 * RAMP).astype(dtype)
    top = 1.0 if dtype is bool else 200.0
    picture = heat_map(values, (0.0, top))
    assert np.array_equal(picture, heat_map(values.astype(np.float64) / top))
    assert overlay(values, IMAGE, (0.0, top)).dtype == np.uint8


def test_values_beyond_the_domain_take_the_colours_of_its_ends() -> None:
    picture = heat_map(np.array([[-9.0, -np.inf, 3.0, np.inf]]), (1.0, 2.0))
    assert np.array_equal(picture[0], colour_scale()[[0, 0, 255, 255]])


def test_nan_is_grey_and_covers_nothing() -> None:
    values = RAMP.copy()
    values[3, 4] = np.nan
    assert tuple(heat_map(values)[3, 4]) == GREY
    assert np.array_equal(overlay(values, IMAGE)[3, 4], np.rint(0.55 * IMAGE[3, 4]))
    values[3, 4] = RAMP[3, 4]
    assert np.array_equal(heat_map(values), heat_map(RAMP))


def test_alpha_from_image_alone_to_heat_alone() -> None:
    dimmed = np.rint(0.55 * IMAGE).astype(np.uint8)
    assert np.array_equal(overlay(RAMP, IMAGE, alpha=0.0), dimmed)
    full = np.ones_like(RAMP)
    assert np.array_equal(overlay(full, IMAGE, alpha=1.0), heat_map(full))
    assert np.array_equal(overlay(0 * RAMP, IMAGE, alpha=1.0), dimmed)
    away = [
        np.abs(overlay(full, IMAGE, alpha=a) - heat_map(full).astype(int)).mean()
        for a in (0.0, 0.3, 0.6, 1.0)
    ]
    assert away == sorted(away, reverse=True) and away[-1] == 0


def test_inputs_stay_as_they_are() -> None:
    values, image = RAMP.copy(), IMAGE.copy()
    overlay(values, image)
    assert np.array_equal(values, RAMP) and np.array_equal(image, IMAGE)
    with pytest.raises(ValueError, match="read-only"):
        colour_scale()[0] = 1


@pytest.mark.parametrize("domain", [(1.0, 1.0), (1.0, 0.0), (0.0, np.nan), (0.0, np.inf)])
def test_a_domain_without_width(domain: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="domain"):
        heat_map(RAMP, domain)


@pytest.mark.parametrize("shape", [(), (4,), (2, 2, 2)])
def test_masks_that_are_no_pictures(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="two dimensions"):
        heat_map(np.zeros(shape))


@pytest.mark.parametrize("alpha", [-0.1, 1.1, np.nan])
def test_alpha_out_of_range(alpha: float) -> None:
    with pytest.raises(InputError, match="alpha"):
        overlay(RAMP, IMAGE, alpha=alpha)


@pytest.mark.parametrize("shape", [(16, 17, 3), (16, 16), (16, 16, 4)])
def test_an_image_of_another_size(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="over an image"):
        overlay(RAMP, np.zeros(shape, np.uint8))
