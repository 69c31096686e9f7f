// Tables that sort and filter, charts that change with a choice, light and dark: no library, and readable without it.
(() => {
  "use strict";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Light, dark, or as the system says.
  const root = document.documentElement, button = document.getElementById("theme");
  const remembered = () => { try { return localStorage.getItem("segkit-theme"); } catch { return null; } };
  const setTheme = (theme) => {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    try { localStorage.setItem("segkit-theme", theme || ""); } catch { /* a page from disk may not be allowed to */ }
  };
  if (remembered()) root.dataset.theme = remembered();
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  button?.addEventListener("click", () => setTheme(isDark() ? "light" : "dark"));

  // A row's cell, as a number where it is one.
  const valueOf = (row, column) => {
    const cell = row.cells[column], figure = cell.querySelector("data");
    if (figure) return figure.value === "" ? NaN : Number(figure.value);
    return cell.textContent.trim();
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return isNaN(a) ? (isNaN(b) ? 0 : 1) : isNaN(b) ? -1 : a - b;
    return String(a).localeCompare(String(b), undefined, { numeric: true });
  };
  for (const table of all("table.sorts")) {
    const heads = all("thead th", table), body = table.tBodies[0];
    heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
      const isDown = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
      const isGap = (value) => typeof value === "number" && isNaN(value);
      rows.sort(([a], [b]) => isGap(a) || isGap(b) ? compare(a, b) : isDown ? compare(b, a) : compare(a, b));
      body.append(...rows.map(([, row]) => row));
    }));
  }

  // Filters: the words of a search, and a choice by column, together.
  for (const form of all("[data-filters]")) {
    const body = document.getElementById(form.dataset.filters), parts = body.tBodies ? body.tBodies[0].rows : body.children;
    const said = form.querySelector("output");
    const apply = () => {
      const words = (form.querySelector("input[type=search]")?.value || "").toLowerCase().split(/\s+/).filter(Boolean);
      const chosen = all("select[data-column]", form).filter((select) => select.value !== "");
      let shown = 0;
      for (const part of parts) {
        const text = part.textContent.toLowerCase();
        const fits = words.every((word) => text.includes(word)) &&
          chosen.every((select) => part.getAttribute(`data-${select.dataset.column}`) === select.value);
        part.hidden = !fits;
        shown += fits;
      }
      said.textContent = `${shown} of ${parts.length} shown`;
    };
    form.addEventListener("input", apply);
    apply();
  }

  // One chart, or one block of columns, of several.
  for (const select of all("select[data-shows]")) {
    const apply = () => all(`[data-of="${select.dataset.shows}"]`).forEach((part) => {
      part.hidden = part.dataset.choice !== select.value;
    });
    select.addEventListener("change", apply);
    apply();
  }
})();
