// Parallel coordinates: pointing at a line or its row shows both; dragging along an axis keeps the runs that pass there.
(() => {
  "use strict";
  const svg = document.querySelector(".parallel svg"), table = document.getElementById("standings");
  if (!svg || !table) return;
  const rows = new Map([...table.querySelectorAll("tr[data-run]")].map((row) => [row.dataset.run, row]));
  const lines = [...svg.querySelectorAll("[data-run]")].map((line) => ({
    line, run: line.dataset.run, places: [...line.points].map((point) => [point.x, point.y]),
  }));
  const axes = [...new Set(lines.flatMap(({ places }) => places.map(([x]) => x)))];
  const REACH = 14;  // pixels around an axis that count as on it
  const kept = new Map();  // of an axis, from where to where

  const both = (run) => [rows.get(run), ...lines.filter((each) => each.run === run).map(({ line }) => line)];
  const light = (run, isLit) => both(run).forEach((part) => part?.classList.toggle("lit", isLit));
  for (const part of [...rows.values(), ...lines.map(({ line }) => line)]) {
    part.addEventListener("pointerenter", () => light(part.dataset.run, true));
    part.addEventListener("pointerleave", () => light(part.dataset.run, false));
  }

  const passes = ({ places }) => [...kept].every(([axis, { low, high }]) =>
    places.some(([x, y]) => x === axis && y >= low - 1 && y <= high + 1));
  const apply = () => lines.forEach((each) => {
    for (const part of both(each.run)) part?.classList.toggle("dim", !passes(each));
  });

  const place = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  const box = (axis) => {
    const drawn = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    drawn.setAttribute("class", "f-c5 brush");
    drawn.setAttribute("x", axis - REACH / 2);
    drawn.setAttribute("width", REACH);
    svg.append(drawn);
    return drawn;
  };
  const letGo = (axis) => { kept.get(axis)?.drawn.remove(); kept.delete(axis); };
  let dragged = null;
  svg.addEventListener("pointerdown", (event) => {
    const from = place(event), axis = axes.find((x) => Math.abs(x - from.x) <= REACH);
    if (axis === undefined) return;
    event.preventDefault();
    svg.setPointerCapture(event.pointerId);
    letGo(axis);
    dragged = { axis, from: from.y };
    apply();
  });
  svg.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const { axis, from } = dragged, to = place(event).y;
    const drawn = kept.get(axis)?.drawn ?? box(axis), low = Math.min(from, to), high = Math.max(from, to);
    drawn.setAttribute("y", low);
    drawn.setAttribute("height", high - low);
    kept.set(axis, { low, high, drawn });
    apply();
  });
  svg.addEventListener("pointerup", () => {
    const range = dragged && kept.get(dragged.axis);
    if (range && range.high - range.low < 3) { letGo(dragged.axis); apply(); }
    dragged = null;
  });
})();
