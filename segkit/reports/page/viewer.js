// The viewer of a report: NiiVue with image, reference, mask and their differences, one case after another.
(() => {
  "use strict";
  const place = document.getElementById("viewer");
  if (!place) return;
  const book = JSON.parse(document.getElementById("book").textContent);
  const by = (name) => document.getElementById(`viewer-${name}`);
  const canvas = by("canvas"), said = by("said"), over = by("over"), cases = by("cases");
  const labels = book.labels, count = labels.length;
  const HIT = 2 * count + 1, EXTRA = HIT + 1, MISSED = HIT + 2; // in the overlay, behind masks 1..K and references K+1..2K
  const ERROR_COLOURS = ["#009e73", "#ff8a4d", "#56b4e9"];
  const shows = { labels: labels.map(() => true), opacity: 0.5 };
  let viewer = null, now = -1, loaded = null, busy = Promise.resolve();

  const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const say = (text) => { over.textContent = text; over.hidden = !text; };

  // Where a case's volumes are: in this page, in a part beside it, or at the server that made this page.
  const waiting = new Map();
  window.segkitPart = (index, volumes) => waiting.get(index)?.(volumes);
  const beside = (index) => new Promise((resolve, reject) => {
    waiting.set(index, resolve);
    const script = document.createElement("script");
    script.src = `${encodeURIComponent(book.folder)}/${index}.js`;
    script.onerror = () => reject(new Error(`The folder ${book.folder} has to lie beside this page.`));
    script.onload = () => script.remove();
    document.head.append(script);
  }).finally(() => waiting.delete(index));
  const served = async (index) => {
    const volumes = {};
    for (const part of ["image", ...book.cases[index].has]) {
      const answer = await fetch(`volumes/${index}/${part}`);
      if (!answer.ok) throw new Error(await answer.text() || "The server has no such volume.");
      volumes[part] = await answer.arrayBuffer();
    }
    return volumes;
  };
  const volumesOf = (index) => {
    if (book.served) return served(index);
    const here = document.getElementById(`volumes-${index}`);
    return here ? Promise.resolve(JSON.parse(here.textContent)) : beside(index);
  };
  const imageOf = (content, name, more) => typeof content === "string"
    ? niivue.NVImage.loadFromBase64({ base64: content, name: `${name}.nii.gz`, ...more })
    : niivue.NVImage.loadFromUrl({ url: `${name}.nii.gz`, name: `${name}.nii.gz`, buffer: content, ...more });

  // Voxels of a label beside which another value lies, within any of the three planes.
  const outline = (places, [nx, ny, nz]) => {
    const edge = new Uint8Array(places.length), row = nx, slab = nx * ny;
    for (let z = 0, at = 0; z < nz; z++) for (let y = 0; y < ny; y++) for (let x = 0; x < nx; x++, at++) {
      const value = places[at];
      if (value && ((x && places[at - 1] !== value) || (x < nx - 1 && places[at + 1] !== value) ||
          (y && places[at - row] !== value) || (y < ny - 1 && places[at + row] !== value) ||
          (z && places[at - slab] !== value) || (z < nz - 1 && places[at + slab] !== value))) edge[at] = 1;
    }
    return edge;
  };
  const mix = () => {
    const { reference, mask, overlay } = loaded, out = overlay.img;
    const hasMask = mask && by("mask").checked, hasReference = reference && by("reference").checked;
    const isErrors = mask && reference && by("errors").checked;
    loaded.edge ??= reference && mask ? outline(reference, loaded.shape) : null;
    const isOn = [false, ...shows.labels];
    out.fill(0);
    for (let at = 0; at < out.length; at++) {
      const m = mask ? mask[at] : 0, r = reference ? reference[at] : 0;
      if (!m && !r) continue;
      if (isErrors) {
        if (r === 255 || !(isOn[m] || isOn[r])) continue;
        out[at] = m === r ? HIT : m ? EXTRA : MISSED;
        continue;
      }
      if (hasMask && isOn[m]) out[at] = m;
      if (hasReference && isOn[r] && (!hasMask || loaded.edge[at])) out[at] = count + r;
    }
  };
  const lut = () => {
    const table = { R: [0], G: [0], B: [0], A: [0], I: [0], labels: [""] };
    const add = (number, colour, opacity, name) => {
      const [r, g, b] = rgb(colour);
      table.R.push(r); table.G.push(g); table.B.push(b); table.A.push(Math.round(255 * opacity)); table.I.push(number); table.labels.push(name);
    };
    const outlined = by("mask").checked && loaded.mask ? 1 : shows.opacity; // an outline is thin enough to be solid
    labels.forEach(({ colour, name }, index) => add(index + 1, colour, shows.opacity, name));
    labels.forEach(({ colour, name }, index) => add(count + index + 1, colour, outlined, `${name} (reference)`));
    ["right", "too much", "missed"].forEach((name, index) => add(HIT + index, ERROR_COLOURS[index], Math.min(1, shows.opacity + 0.25), name));
    return table;
  };
  const redraw = () => {
    if (!loaded?.overlay) return;
    mix();
    loaded.overlay.setColormapLabel(lut());
    viewer.updateGLVolume();
  };

  const start = async () => {
    if (viewer) return;
    if (!document.createElement("canvas").getContext("webgl2")) throw new Error("This browser has no WebGL 2, which the viewer needs; the pictures above show the worst cases.");
    viewer = new niivue.Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: [1, 1, 1, 0.45], crosshairWidth: 1, crosshairWidthUnit: "percent", isRadiologicalConvention: true,
      sagittalNoseLeft: true, dragAndDropEnabled: false, isColorbar: false, showLegend: false, multiplanarShowRender: niivue.SHOW_RENDER.ALWAYS,
      multiplanarPadPixels: 6, isResizeCanvas: true, loadingText: "", viewModeHotKey: "", clipPlaneHotKey: "", cycleClipPlaneHotKey: "",
      textHeight: 0.035, crosshairGap: 6, show3Dcrosshair: true, logLevel: "error",
    });
    viewer.opts.crosshairWidth = 0.15;
    await viewer.attachToCanvas(canvas);
    viewer.onLocationChange = ({ vox }) => tell(vox);
  };
  const tell = (vox) => {
    if (!loaded || !vox) return;
    const [x, y, z] = vox.map(Math.round), [nx, ny, nz] = loaded.shape;
    if (x < 0 || y < 0 || z < 0 || x >= nx || y >= ny || z >= nz) return;
    const at = x + nx * (y + ny * z), name = (value) => value === 255 ? "ignored" : value ? labels[value - 1].name : "background";
    const value = loaded.image.getValue(x, y, z), words = [`voxel ${x}, ${y}, ${z}`];
    if (!loaded.isColour) words.push(`value ${Number(value.toPrecision(4))}`);
    if (loaded.reference) words.push(`reference: ${name(loaded.reference[at])}`);
    if (loaded.mask) words.push(`mask: ${name(loaded.mask[at])}`);
    said.textContent = words.join(" · ");
  };
  const setWindow = () => {
    const [, low, high] = book.cases[now].windows[by("window").value] || [];
    if (low === undefined) return;
    loaded.image.cal_min = low;
    loaded.image.cal_max = high;
    viewer.updateGLVolume();
  };
  const setLayout = (name) => {
    const kinds = { planes: "MULTIPLANAR", axial: "AXIAL", coronal: "CORONAL", sagittal: "SAGITTAL", solid: "RENDER" };
    viewer.setSliceType(niivue.SLICE_TYPE[book.cases[now].picture ? "AXIAL" : kinds[name]]);
    // Inside an opaque head nothing of a mask is seen: alone, the solid view shows the labels without the image.
    viewer.setOpacity(0, name === "solid" && loaded.overlay && !book.cases[now].picture ? 0.12 : 1);
  };
  const layout = () => place.querySelector("[data-layout][aria-pressed=true]").dataset.layout;

  const load = async (index) => {
    const known = book.cases[index];
    say(`Loading ${known.name} …`);
    await start();
    const volumes = await volumesOf(index);
    const [, low, high] = known.windows[0] || [];
    const range = low === undefined ? {} : { cal_min: low, cal_max: high };
    const image = await imageOf(volumes.image, "image", { colormap: "gray", ...range });
    const parts = {};
    for (const part of known.has) parts[part] = await imageOf(volumes[part], part, { colormap: "gray" });
    const overlay = parts.mask || parts.reference || null;
    const copy = (part) => part ? Uint8Array.from(part.img) : null;
    while (viewer.volumes.length) viewer.removeVolume(viewer.volumes[0]);
    const [, nx, ny, nz] = image.hdr.dims;
    loaded = { image, overlay, reference: copy(parts.reference), mask: copy(parts.mask), shape: [nx, ny, Math.max(nz, 1)], isColour: image.hdr.datatypeCode === 128 };
    if (overlay) {
      if (MISSED > 255) { // more labels than a byte tells apart
        overlay.img = new Uint16Array(overlay.img.length);
        overlay.hdr.datatypeCode = 512;
        overlay.hdr.numBitsPerVoxel = 16;
      }
      mix();
      overlay.setColormapLabel(lut());
    }
    viewer.addVolume(image);
    if (overlay) viewer.addVolume(overlay);
    viewer.opts.isRadiologicalConvention = !known.picture;
    viewer.opts.isOrientationTextVisible = !known.picture;
    viewer.scene.pan2Dxyzmm = [0, 0, 0, 1];
    now = index;
    choices(known);
    setLayout(layout());
    viewer.scene.crosshairPos = viewer.vox2frac(known.worst);
    viewer.updateGLVolume();
    tell(known.worst);
    say("");
    const coarse = known.every > 1 && !book.served ? ` Every ${["", "", "second", "third"][known.every] || `${known.every}th`} voxel is shown.` : "";
    by("title").textContent = `${known.name}${known.score ? `, ${book.metric} ${known.score}` : ""}.${coarse}`;
    place.dataset.case = index;
  };
  const choices = (known) => {
    cases.value = String(now);
    by("window").replaceChildren(...known.windows.map(([name, low, high], at) => new Option(`${name} (${Number(low.toPrecision(4))} to ${Number(high.toPrecision(4))})`, at)));
    by("window").parentElement.hidden = !known.windows.length;
    by("layouts").hidden = known.picture;
    for (const part of ["reference", "mask"]) by(part).parentElement.hidden = !known.has.includes(part);
    by("errors").parentElement.hidden = known.has.length < 2;
    by("previous").disabled = now === 0;
    by("next").disabled = now === book.cases.length - 1;
  };
  const open = (index, isAsked = true) => {
    if (!(index >= 0 && index < book.cases.length)) return busy;
    if (isAsked) {
      place.scrollIntoView({ block: "start" });
      try { history.replaceState(null, "", `#case-${index}`); } catch { /* not every place allows it */ }
    }
    busy = busy.then(() => load(index)).catch((error) => say(error.message));
    return busy;
  };

  // What opens a case: rows, thumbnails, points of charts, the address, the controls, keys.
  const placeOf = new Map(book.cases.map((known, index) => [known.case, index]));
  document.addEventListener("click", (event) => {
    const part = event.target.closest("[data-case]");
    if (part && part !== place && placeOf.has(Number(part.dataset.case))) open(placeOf.get(Number(part.dataset.case)));
  });
  cases.addEventListener("change", () => open(Number(cases.value), false));
  by("previous").addEventListener("click", () => open(now - 1, false));
  by("next").addEventListener("click", () => open(now + 1, false));
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox") return;
    if (event.key === "n" || event.key === "p") { open(now + (event.key === "n" ? 1 : -1), false); event.preventDefault(); }
  });
  place.querySelectorAll("[data-layout]").forEach((choice) => choice.addEventListener("click", () => {
    place.querySelectorAll("[data-layout]").forEach((other) => other.setAttribute("aria-pressed", other === choice));
    if (loaded) setLayout(choice.dataset.layout);
  }));
  for (const name of ["reference", "mask", "errors"]) by(name).addEventListener("change", redraw);
  by("opacity").addEventListener("input", () => { shows.opacity = Number(by("opacity").value); redraw(); });
  by("window").addEventListener("change", setWindow);
  place.querySelectorAll("[data-label]").forEach((box) => box.addEventListener("change", () => { shows.labels[Number(box.dataset.label)] = box.checked; redraw(); }));

  const asked = /^#case-(\d+)$/.exec(location.hash);
  if (asked) open(Number(asked[1]));
  else new IntersectionObserver((seen, watcher) => {
    if (seen.some((each) => each.isIntersecting)) { watcher.disconnect(); if (now < 0) open(0, false); }
  }, { rootMargin: "400px" }).observe(place);
  window.segkitViewer = { open, get viewer() { return viewer; }, get case() { return now; } };
})();
