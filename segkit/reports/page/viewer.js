// The viewer of a report: NiiVue with image, reference, mask and their differences, one case after another.
(() => {
  "use strict";
  const place = document.getElementById("viewer");
  if (!place) return;
  const book = JSON.parse(document.getElementById("book").textContent);
  const by = (name) => document.getElementById(`viewer-${name}`);
  const canvas = by("canvas"), said = by("said"), over = by("over"), cases = by("cases");
  const labels = book.labels, count = labels.length;
  const HIT = count + 1, EXTRA = HIT + 1, MISSED = HIT + 2; // in an overlay, behind the labels 1..K
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
    script.onerror = () => reject(new Error(`The folder ${book.folder} belongs beside this page.`));
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

  // The outline of the reference within the three planes of the cross, written into an overlay; it follows the cross.
  const outlined = (places, lines, [nx, ny, nz], [cx, cy, cz], isOn) => {
    const slab = nx * ny, size = [nx, ny, nz], step = [1, nx, slab];
    lines.fill(0);
    for (const [across, at] of [[2, cz], [1, cy], [0, cx]]) {
      const [one, two] = [0, 1, 2].filter((axis) => axis !== across);
      for (let b = 0; b < size[two]; b++) for (let a = 0; a < size[one]; a++) {
        const voxel = at * step[across] + b * step[two] + a * step[one], value = places[voxel];
        if (value && isOn[value] && ((a && places[voxel - step[one]] !== value) || (a < size[one] - 1 && places[voxel + step[one]] !== value) ||
            (b && places[voxel - step[two]] !== value) || (b < size[two] - 1 && places[voxel + step[two]] !== value))) lines[voxel] = value;
      }
    }
  };
  const mix = () => {
    const { reference, mask } = loaded, fill = loaded.fill.img, lines = loaded.lines.img;
    const hasMask = mask && by("mask").checked, hasReference = reference && by("reference").checked;
    const isErrors = mask && reference && by("errors").checked;
    by("legend").hidden = !isErrors;
    const isOn = [false, ...shows.labels];
    fill.fill(0);
    if (hasMask && hasReference && !isErrors) outlined(reference, lines, loaded.shape, loaded.cross, isOn);
    else lines.fill(0);
    for (let at = 0; at < fill.length; at++) {
      const m = mask ? mask[at] : 0, r = reference ? reference[at] : 0;
      if (!m && !r) continue;
      if (isErrors) {
        if (r === 255 || !(isOn[m] || isOn[r])) continue;
        fill[at] = m === r ? HIT : m ? EXTRA : MISSED;
        continue;
      }
      if (hasMask && isOn[m]) fill[at] = m;
      if (hasReference && !hasMask && isOn[r]) fill[at] = r;
    }
  };
  const colours = (lighten = 0) => {
    const table = { R: [0], G: [0], B: [0], I: [0], labels: [""] };
    [...labels, ...book.errors].forEach(({ colour, name }, index) => {
      const [r, g, b] = rgb(colour).map((part) => Math.round(part + lighten * (255 - part)));
      table.R.push(r); table.G.push(g); table.B.push(b); table.I.push(index + 1); table.labels.push(name);
    });
    return table;
  };
  const redraw = () => {
    if (!loaded?.fill) return;
    mix();
    viewer.setOpacity(1, shows.opacity);
  };

  const start = async () => {
    if (viewer) return;
    if (!document.createElement("canvas").getContext("webgl2")) throw new Error("This browser has no WebGL 2, which the viewer needs; the pictures above show the worst cases.");
    viewer = new niivue.Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: [1, 1, 1, 0.45], crosshairWidthUnit: "percent", isRadiologicalConvention: true,
      sagittalNoseLeft: true, dragAndDropEnabled: false, isColorbar: false, showLegend: false, multiplanarShowRender: niivue.SHOW_RENDER.ALWAYS,
      multiplanarPadPixels: 6, isResizeCanvas: true, viewModeHotKey: "", clipPlaneHotKey: "", cycleClipPlaneHotKey: "",
      multiplanarLayout: niivue.MULTIPLANAR_TYPE.GRID, crosshairWidth: 0.25, fontColor: [0.9, 0.93, 0.97, 1], show3Dcrosshair: true, logLevel: "error",
    });
    await viewer.attachToCanvas(canvas);
    viewer.onLocationChange = ({ vox }) => tell(vox);
  };
  let following = 0;
  const follow = (cross) => {
    if (!loaded.fill || cross.every((place, axis) => place === loaded.cross[axis])) return;
    loaded.cross = cross.map((place, axis) => Math.min(Math.max(place, 0), loaded.shape[axis] - 1));
    clearTimeout(following); // a large volume takes a moment to be drawn anew: when the cross rests
    following = setTimeout(redraw, loaded.fill.img.length > 2e6 ? 200 : 0);
  };
  const tell = (vox) => {
    if (!loaded || !vox) return;
    const [x, y, z] = vox.map(Math.round), [nx, ny, nz] = loaded.shape;
    follow([x, y, z]);
    if (x < 0 || y < 0 || z < 0 || x >= nx || y >= ny || z >= nz) return;
    const at = x + nx * (y + ny * z), name = (value) => value === 255 ? "ignored" : value ? labels[value - 1].name : "background";
    const value = loaded.image.getValue(x, y, z), words = [book.cases[now].picture ? `pixel ${x}, ${ny - 1 - y}` : `voxel ${x}, ${y}, ${z}`];
    if (!loaded.isColour) words.push(`value ${Number(value.toPrecision(4))}`);
    if (loaded.reference) words.push(`reference: ${name(loaded.reference[at])}`);
    if (loaded.mask) words.push(`mask: ${name(loaded.mask[at])}`);
    said.replaceChildren(...words.flatMap((text) => [text, document.createElement("br")]));
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
    viewer.setOpacity(0, name === "solid" && loaded.fill && !book.cases[now].picture ? 0.12 : 1);
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
    const labelled = parts.mask || parts.reference || null;
    const copy = (part) => part ? Uint8Array.from(part.img) : null;
    while (viewer.volumes.length) viewer.removeVolume(viewer.volumes[0]);
    const [, nx, ny, nz] = image.hdr.dims;
    loaded = { image, reference: copy(parts.reference), mask: copy(parts.mask), shape: [nx, ny, Math.max(nz, 1)], isColour: image.hdr.datatypeCode === 128, cross: known.worst };
    if (labelled) {
      loaded.fill = labelled;
      loaded.lines = labelled.clone();
      for (const overlay of [loaded.fill, loaded.lines]) {
        overlay.img = new Uint8Array(labelled.img.length);
        overlay.setColormapLabel(colours(overlay === loaded.lines ? 0.55 : 0)); // an outline is seen on its own label
      }
      loaded.fill.opacity = shows.opacity;
      mix();
    }
    viewer.addVolume(image);
    if (labelled) [loaded.fill, loaded.lines].forEach((overlay) => viewer.addVolume(overlay));
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
    const isCoarse = !book.served && known.every.some((step) => step > 1);
    const coarse = isCoarse ? ` Of ${known.every.join(" × ")} voxels one is shown; segkit report serve=true shows all.` : "";
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
