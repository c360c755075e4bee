// Names for what the keyboard reaches within sliders: their handles have none of their own.
(() => {
  "use strict";
  const sliders = document.getElementsByClassName("q-slider");
  const ENDS = ["from", "to"];
  const known = new WeakSet();

  function describe(slider) {
    const name = slider.getAttribute("aria-label") ?? "";
    const two = slider.classList.contains("q-range");
    const handles = slider.querySelectorAll(two ? ".q-slider__thumb" : ".q-slider__track-container");
    const values = (slider.getAttribute("aria-valuenow") ?? "").split("|");
    handles.forEach((handle, at) => {
      handle.setAttribute("role", "slider");
      handle.setAttribute("aria-label", two ? `${name}: ${ENDS[at]}` : name);
      handle.setAttribute("aria-valuenow", values[at] ?? "");
      for (const limit of ["aria-valuemin", "aria-valuemax"]) handle.setAttribute(limit, slider.getAttribute(limit));
    });
  }

  const changes = new MutationObserver((records) => records.forEach((record) => describe(record.target)));

  function look() {
    for (const slider of sliders) {
      if (known.has(slider)) continue;
      known.add(slider);
      slider.setAttribute("role", "group");
      describe(slider);
      changes.observe(slider, { attributes: true, attributeFilter: ["aria-valuenow"] });
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    look();
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  });
})();
