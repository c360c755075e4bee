"""For everybody: names for those who do not see, keys without a mouse, room on a tablet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Served
from tests.browser.walk import box_of, visit

EVERYTHING = (
    "score=ratio&region=box(2,+2,+20,+20)&region2=object_box&top=130&values=0.5..1"
    "&where=label+IN+('cat',+'dog')&where=certainty+BETWEEN+0.1+AND+0.9&where=note+LIKE+'note%25'"
    "&where=image_id+<+190"
)
IOU = "score=iou&low=0.3&above=0.2&pair=mask_type+IN+(1,+2)"

# What can be used, as the browser's own tree of roles and names tells it: a line without a name.
_ROLES = (
    "button checkbox combobox link listbox menuitem option radio slider spinbutton switch textbox"
)
_NAMELESS = re.compile(rf"- ({_ROLES.replace(' ', '|')})(?! \"[^\"]| /)")


def nameless(page: Page) -> list[str]:
    """Controls that have no name."""
    tree = page.locator("body").aria_snapshot()
    return [line for line in tree.splitlines() if _NAMELESS.search(line)]


@pytest.mark.parametrize("query", [EVERYTHING, IOU], ids=["ratio", "iou"])
def test_every_control_has_a_name(page: Page, made_served: Served, query: str) -> None:
    visit(page, made_served.url, query)
    expect(page.get_by_role("textbox", name="SQL of the query")).to_be_visible()
    assert nameless(page) == []
    for name in ("Copy", "Export"):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("menuitem").first).to_be_visible()
        assert nameless(page) == []
        page.keyboard.press("Escape")
    page.get_by_label("Draw: Region").click()
    box_of(page, "#region")
    assert nameless(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#region")).to_be_hidden()
    page.locator("#results .ms-tile").first.click()
    box_of(page, "#detail-mask")
    assert nameless(page) == []


# Elements that can be used now, and are not parts of others that are reached.
_USABLE = """() => {
  const usable = 'button, a[href], input, textarea, select, [role=slider], [role=switch],'
    + ' [role=checkbox], [role=combobox], .ms-tile, .cm-content';
  return [...document.querySelectorAll(usable)].filter((e) => !e.disabled
    && e.checkVisibility({visibilityProperty: true}) && !e.closest('[aria-hidden=true]')
    && e.getAttribute('aria-disabled') !== 'true' && !e.matches('.ms-tile input'));
}"""


def test_tab_reaches_every_control(page: Page, made_served: Served) -> None:
    visit(page, made_served.url, EVERYTHING.replace("top=130", "top=4"))
    page.evaluate(f"window.wanted = new Set(({_USABLE})())")
    reached = page.evaluate(
        """() => {
          window.reached = new Set();
          document.addEventListener('focusin', (event) => {
            for (let e = event.target; e; e = e.parentElement) window.reached.add(e);
          });
          return window.wanted.size;
        }"""
    )
    assert reached > 40
    page.locator("body").press("Home")
    for _ in range(2 * reached):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('cm-content')"):
            # Tab indents there; Escape lets it leave.
            page.keyboard.press("Escape")
    missed = page.evaluate(
        """() => [...window.wanted].filter((e) => ![...e.querySelectorAll('*'), e].some(
            (part) => window.reached.has(part))).map((e) => e.outerHTML.slice(0, 200))"""
    )
    assert missed == []


@pytest.fixture(params=[(800, 1280), (1280, 800)], ids=["upright", "across"])
def tablet(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A tablet, held in either way."""
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, has_touch=True)
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


# Pairs of controls that lie upon one another, controls that stand out of the window, and texts
# that are cut off.
_WRONG = """() => {
  const wide = document.documentElement.scrollWidth > innerWidth ? ['the page is too wide'] : [];
  const controls = [...document.querySelectorAll(
    '.q-field, .q-btn, .q-checkbox, .q-toggle, .q-slider, .ms-tile, .ms-sql')]
    .filter((e) => e.checkVisibility({visibilityProperty: true}))
    .map((e) => [e, e.getBoundingClientRect()]).filter(([e, box]) => box.width && box.height);
  const name = (e) => (e.getAttribute('aria-label') || e.innerText || e.className).slice(0, 40);
  const out = controls.filter(([e, box]) => box.left < -1 || box.right > innerWidth + 1)
    .map(([e]) => `out of the window: ${name(e)}`);
  const upon = [];
  controls.forEach(([a, one], at) => controls.slice(at + 1).forEach(([b, other]) => {
    if (a.contains(b) || b.contains(a)) return;
    const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
    const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
    if (across > 1.5 && down > 1.5 && !a.closest('header') && !b.closest('header')) {
      upon.push(`${name(a)} upon ${name(b)}`);
    }
  }));
  const texts = '.q-field__label, .q-btn__content, .q-field input, .ms-soft, figcaption';
  const cut = [...document.querySelectorAll(texts)]
    .filter((e) => e.checkVisibility({visibilityProperty: true, opacityProperty: true})
      && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible')
    .map((e) => `cut off: ${(e.value || e.innerText).slice(0, 40)}`);
  return [...wide, ...out, ...upon, ...cut];
}"""


def wrong(page: Page) -> Any:
    return page.evaluate(_WRONG)


@pytest.mark.parametrize("query", [EVERYTHING, IOU], ids=["ratio", "iou"])
def test_nothing_is_cut_off_or_covered(tablet: Page, made_served: Served, query: str) -> None:
    visit(tablet, made_served.url, query)
    assert wrong(tablet) == []
    tablet.get_by_text("Stages and shards").click()
    expect(tablet.get_by_role("img", name="Time by stage")).to_be_visible()
    assert wrong(tablet) == []
    tablet.locator("#results .ms-tile").first.tap()
    box_of(tablet, "#detail-mask")
    assert tablet.evaluate("document.documentElement.scrollWidth <= innerWidth")
    card = tablet.locator(".q-dialog .q-card:visible")
    assert card.evaluate("card => card.scrollWidth <= card.clientWidth")


# Least contrast of texts with what is behind them (WCAG 2: 4.5 to 1), with the text.
_CONTRAST = """() => {
  const numbers = (colour) => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((c, i) => c * a + below[i] * (1 - a));
  const behind = (e) => {
    if (!e) return [255, 255, 255];
    const own = numbers(getComputedStyle(e).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, behind(e.parentElement));
  };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].filter((node) => node.nodeType === 3);
    const text = own.map((node) => node.data.trim()).join('');
    const input = e.matches('input') && e.value && e.type !== 'checkbox' ? e.value : '';
    if (!(text || input) || !e.checkVisibility({visibilityProperty: true, opacityProperty: true})
        || e.closest('[disabled], .disabled, script, style, .q-icon')) continue;
    const ground = behind(e);
    const ink = over(numbers(getComputedStyle(e).color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) found.push(`${(text || input).slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return [...new Set(found)];
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out(page: Page, made_served: Served, theme: str) -> None:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    visit(page, made_served.url, EVERYTHING)
    expect(page.locator(f"body.body--{theme}")).to_be_attached()
    page.get_by_role("button", name="Mark page").click()
    page.wait_for_timeout(400)  # until colours that change have changed
    assert page.evaluate(_CONTRAST) == []
    page.locator("#results .ms-tile").first.click()
    box_of(page, "#detail-mask")
    assert page.evaluate(_CONTRAST) == []
