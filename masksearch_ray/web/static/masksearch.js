// What happens in the browser alone: the grid of pictures, and drawing on a picture.
// Clicks and keys are told to the server by emitEvent; nothing is fetched from anywhere else.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  function shape(kind, numbers, name) {
    const element = document.createElementNS(SVG, kind);
    if (kind === "rect") {
      const [x0, y0, x1, y1] = numbers;
      for (const [key, value] of Object.entries({ x: x0, y: y0, width: Math.max(0, x1 - x0), height: Math.max(0, y1 - y0) })) {
        element.setAttribute(key, value);
      }
    } else {
      element.setAttribute("points", numbers.join(" "));
    }
    element.setAttribute("class", name);
    return element;
  }

  function drawing(width, height, marks) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    for (const [kind, numbers, name] of marks) svg.append(shape(kind, numbers, name));
    return svg;
  }

  function picture(tile) {
    const [height, width] = tile.shape;
    const small = Math.max(height, width) <= 96;
    const frame = make("div", { class: `ms-pic${tile.image ? "" : " ms-bare"}${small ? " ms-crisp" : ""}`, style: `aspect-ratio: ${width} / ${height}` });
    for (const [name, source] of [["ms-image", tile.image], ["ms-heat", tile.heat]]) {
      if (source) frame.append(make("img", { class: name, "data-src": source, alt: "", decoding: "async" }));
    }
    frame.append(drawing(width, height, tile.marks));
    return frame;
  }

  function figure(tile, selected) {
    const check = make("input", { type: "checkbox", tabindex: "-1", "aria-label": `Mark ${tile.name}` });
    check.checked = selected;
    const caption = make("figcaption", {}, make("b", {}, tile.title));
    for (const line of tile.lines) caption.append(make("br"), line);
    return make(
      "figure",
      { class: "ms-tile", role: "option", tabindex: "0", "data-id": tile.id, "aria-selected": String(selected), "aria-label": [tile.name, tile.title, ...tile.lines].join(", ") },
      check, picture(tile), caption,
    );
  }

  // -- pictures of a grid: those of neighbours are fetched together, once one of them is nearly in sight --

  const TOGETHER = 30; // tiles
  const NEAR = "600px";
  const PICTURE = /^(.*\/)(\w+)\/([\d-]+)\.png\?(.*)$/;

  // Pictures that differ by their id alone, by the URL of all of them.
  function together(images) {
    const found = new Map();
    for (const image of images) {
      const [, where, kind, id, look] = image.dataset.src.match(PICTURE);
      const key = `${where}${kind}s?${look}`;
      if (!found.has(key)) found.set(key, { images: [], ids: [] });
      found.get(key).images.push(image);
      found.get(key).ids.push(id);
    }
    return [...found].map(([url, { images, ids }]) => [`${url}&ids=${ids.join(",")}`, images]);
  }

  // An image need not be there; a mask that cannot be drawn is told.
  function missing(image) {
    if (image.matches(".ms-heat")) image.parentElement.append(make("span", { class: "ms-missing" }, "cannot be drawn"));
    image.remove();
  }

  function load(tiles, signal) {
    const images = tiles.flatMap((tile) => [...tile.querySelectorAll("img[data-src]")]);
    for (const [url, some] of together(images)) {
      fetch(url, { signal })
        .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.statusText))))
        .then((files) => files.forEach((file, index) => {
          if (file) some[index].src = `data:image/png;base64,${file}`;
          else missing(some[index]);
        }))
        .catch((error) => error.name === "AbortError" || some.forEach(missing));
    }
  }

  // Gives what stops it: tiles that were replaced need no pictures.
  function watch(tiles) {
    const stop = new AbortController();
    const groups = new Map();
    tiles.forEach((tile, index) => groups.set(tile, Math.floor(index / TOGETHER)));
    const seen = new Set();
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const group = groups.get(entry.target);
        if (!entry.isIntersecting || seen.has(group)) continue;
        seen.add(group);
        const some = tiles.slice(group * TOGETHER, (group + 1) * TOGETHER);
        some.forEach((tile) => observer.unobserve(tile));
        load(some, stop.signal);
      }
    }, { rootMargin: NEAR });
    tiles.forEach((tile) => observer.observe(tile));
    stop.signal.addEventListener("abort", () => observer.disconnect());
    return stop;
  }

  const grids = new Map();

  function mark(grid, element, on) {
    element.setAttribute("aria-selected", String(on));
    element.querySelector("input").checked = on;
    on ? grid.selected.add(element.dataset.id) : grid.selected.delete(element.dataset.id);
  }

  function tell(name) {
    const grid = grids.get(name);
    emitEvent(`${name}-selected`, [...grid.selected]);
  }

  function neighbour(element, key) {
    const all = [...element.parentElement.children];
    const columns = getComputedStyle(element.parentElement).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[key];
    return step === undefined ? null : all[all.indexOf(element) + step] ?? null;
  }

  function listen(name, host) {
    host.addEventListener("click", (event) => {
      const element = event.target.closest(".ms-tile");
      if (!element) return;
      const grid = grids.get(name);
      if (event.target.matches("input")) {
        mark(grid, element, event.target.checked);
        if (event.shiftKey && grid.last) {
          const all = [...host.children];
          const [from, to] = [all.indexOf(tileOf(host, grid.last)), all.indexOf(element)].sort((a, b) => a - b);
          if (from >= 0) all.slice(from, to + 1).forEach((one) => mark(grid, one, event.target.checked));
        }
        grid.last = element.dataset.id;
        tell(name);
      } else {
        emitEvent(`${name}-open`, element.dataset.id);
      }
    });
    host.addEventListener("keydown", (event) => {
      const element = event.target.closest(".ms-tile");
      if (!element) return;
      const next = neighbour(element, event.key);
      if (next) {
        next.focus();
      } else if (event.key === "Enter") {
        emitEvent(`${name}-open`, element.dataset.id);
      } else if (event.key === " ") {
        mark(grids.get(name), element, element.getAttribute("aria-selected") !== "true");
        tell(name);
      } else {
        return;
      }
      event.preventDefault();
    });
  }

  const tileOf = (host, id) => [...host.children].find((one) => one.dataset.id === id);

  // Show tiles in the element with this id. Where no marks are told, they are more of the same answer:
  // what is marked stays. The tile that the keyboard is on is so afterwards, too.
  function grid(name, tiles, selected) {
    const host = document.getElementById(name);
    if (!host) return;
    if (!host.dataset.listens) {
      host.dataset.listens = "yes";
      listen(name, host);
    }
    const before = grids.get(name);
    before?.pictures.abort();
    const marked = selected ? new Set(selected) : before?.selected ?? new Set();
    const at = host.contains(document.activeElement) ? document.activeElement.closest(".ms-tile") : null;
    const figures = tiles.map((tile) => figure(tile, marked.has(String(tile.id))));
    host.replaceChildren(...figures);
    grids.set(name, { selected: marked, last: selected ? null : before?.last, pictures: watch(figures) });
    if (at) tileOf(host, at.dataset.id)?.focus({ preventScroll: true });
  }

  function select(name, ids) {
    const known = grids.get(name);
    if (!known) return;
    known.selected = new Set(ids);
    for (const element of document.getElementById(name).children) {
      mark(known, element, ids.includes(element.dataset.id));
    }
  }

  // -- drawing on a picture ---------------------------------------------------------------------

  const drawings = new Map();
  const FRAMES = 600; // of the browser, until an element is given up that does not come

  function place(host, event, width, height) {
    const frame = host.getBoundingClientRect();
    const x = Math.min(1, Math.max(0, (event.clientX - frame.left) / frame.width));
    const y = Math.min(1, Math.max(0, (event.clientY - frame.top) / frame.height));
    return [x * width, y * height];
  }

  function sketch(host, width, height, marks) {
    host.querySelector("svg.ms-sketch")?.remove();
    const svg = drawing(width, height, marks);
    svg.classList.add("ms-sketch");
    host.append(svg);
  }

  function boxOf([ax, ay], [bx, by]) {
    return [Math.floor(Math.min(ax, bx)), Math.floor(Math.min(ay, by)), Math.ceil(Math.max(ax, bx)), Math.ceil(Math.max(ay, by))];
  }

  const rounded = (points) => points.map((point) => point.map((one) => Math.round(one * 10) / 10));

  // Let people draw a box or a polygon on the picture in the element with this id; what is drawn is
  // told, in pixels of the mask, as TELLER-drawn (while it changes at most every 80 ms, and at its end).
  // AT tells the element from one of the same id that it replaces; it is waited for while it is not there.
  function draw(name, { width, height, mode, marks, at }, teller = name, tries = FRAMES) {
    const host = document.getElementById(name);
    if (!host || host.dataset.at !== String(at)) {
      const again = () => draw(name, { width, height, mode, marks, at }, teller, tries - 1);
      if (tries > 0) requestAnimationFrame(again);
      return;
    }
    const state = { width, height, mode, marks, points: [], from: null, told: 0 };
    const before = drawings.get(name);
    drawings.set(name, state);
    sketch(host, width, height, marks);
    if (before && host.dataset.draws) return;
    host.dataset.draws = "yes";
    const now = () => drawings.get(name);
    const report = (kind, numbers, done) => {
      const time = performance.now();
      if (!done && time - now().told < 80) return;
      now().told = time;
      emitEvent(`${teller}-drawn`, { kind, numbers, done });
    };
    host.addEventListener("pointerdown", (event) => {
      const held = now();
      if (held.mode !== "box") return;
      host.setPointerCapture(event.pointerId);
      held.from = place(host, event, held.width, held.height);
      event.preventDefault();
    });
    host.addEventListener("pointermove", (event) => {
      const held = now();
      const at = place(host, event, held.width, held.height);
      if (held.from) {
        const box = boxOf(held.from, at);
        sketch(host, held.width, held.height, [["rect", box, "ms-drawn"]]);
        report("box", box, false);
      } else if (held.mode === "polygon" && held.points.length) {
        sketch(host, held.width, held.height, [["polygon", [...held.points, at].flat(), "ms-drawn"]]);
      }
    });
    host.addEventListener("pointerup", (event) => {
      const held = now();
      if (!held.from) return;
      const box = boxOf(held.from, place(host, event, held.width, held.height));
      held.from = null;
      if (box[2] > box[0] && box[3] > box[1]) {
        sketch(host, held.width, held.height, [["rect", box, "ms-drawn"]]);
        report("box", box, true);
      }
    });
    host.addEventListener("click", (event) => {
      const held = now();
      if (held.mode !== "polygon") return;
      held.points.push(place(host, event, held.width, held.height));
      sketch(host, held.width, held.height, [["polygon", held.points.flat(), "ms-drawn"]]);
    });
    const close = () => {
      const held = now();
      if (held.mode !== "polygon" || held.points.length < 3) return;
      report("polygon", rounded(held.points).flat(), true);
      held.points = [];
    };
    host.addEventListener("dblclick", (event) => {
      const held = now();
      // The second click of the two has put the last corner there twice.
      if (held.mode === "polygon" && held.points.length > 3) held.points.pop();
      event.preventDefault();
      close();
    });
    host.addEventListener("keydown", (event) => {
      if (event.key === "Enter") close();
      else if (event.key === "Escape") {
        const held = now();
        // What was begun is given up, not the dialog around it.
        if (held.points.length || held.from) event.stopPropagation();
        held.points = [];
        held.from = null;
        sketch(host, held.width, held.height, held.marks);
      }
    });
  }

  // -- the rest -----------------------------------------------------------------------------------

  function opacity(value) {
    document.documentElement.style.setProperty("--ms-heat", value);
  }

  // Gives what could not be copied: browsers let no page do so that came unencrypted from elsewhere.
  async function copy(text = location.href) {
    try {
      await navigator.clipboard.writeText(text);
      return "";
    } catch {
      return text;
    }
  }

  // Dark or light is as the browser prefers it until a person chooses; then it is kept for all pages.
  const DARK = "masksearch-dark";
  const prefers = matchMedia("(prefers-color-scheme: dark)").matches;

  function chosen() {
    try {
      return { yes: true, no: false }[localStorage.getItem(DARK)];
    } catch {
      return undefined; // a browser may keep nothing
    }
  }

  function turn() {
    const dark = !document.body.classList.contains("body--dark");
    setDark(dark);
    try {
      localStorage.setItem(DARK, dark ? "yes" : "no");
    } catch {
      // Then it is for this page only.
    }
  }

  // Before anything is painted; the body's own class takes its place once the page is built.
  document.documentElement.classList.toggle("ms-dark", chosen() ?? prefers);
  document.addEventListener("DOMContentLoaded", () => {
    if (chosen() !== undefined) setDark(chosen());
  });

  // The address names what is shown, without a new page being loaded.
  function address(query) {
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
  }

  // Buttons within plain HTML tell what they stand for: data-emit names the event, data-value its words.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-emit]");
    if (button) emitEvent(button.dataset.emit, button.dataset.value.split("\n"));
  });

  window.masksearch = { grid, select, draw, opacity, address, copy, turn };
})();
