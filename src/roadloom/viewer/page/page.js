// The page itself: time, switches, legend and facts.

const el = (id) => document.getElementById(id);
const state = { index: 0, frame: null, playing: false, timer: 0, offLayers: new Set() };
const cameras = buildRing(el("ring"), drawFlat);
const space = openSpace();

function openSpace() {
  const canvas = el("space-canvas");
  const gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
  if (!gl) {
    el("space-absent").textContent = "This browser offers no WebGL 2, which the 3-D view needs.";
    return null;
  }
  const opened = new Space(canvas, gl, {
    points: () => el("space-points").checked,
    boxes: () => el("space-boxes").checked,
    voxels: () => el("space-voxels").checked,
  });
  steer(canvas, opened);
  return opened;
}

function drawFlat() {
  if (!state.frame) return;
  drawCameras(cameras, state.frame, { boxes: el("camera-boxes").checked, points: el("camera-points").checked });
  drawPlan(el("plan-canvas"), state.frame, {
    layout: el("plan-layout").checked, boxes: el("plan-boxes").checked, points: el("plan-points").checked,
  }, state.offLayers);
}

async function show(index) {
  state.index = index;
  el("time").value = index;
  const { seconds } = clip.frames[index], last = clip.frames.at(-1).seconds;
  el("clock").textContent = `${seconds.toFixed(2)} / ${last.toFixed(2)} s · ${index + 1}/${clip.frames.length}`;
  el("time").setAttribute("aria-valuetext", `${seconds.toFixed(2)} seconds`);
  const frame = await frameAt(index);
  if (state.index !== index) return; // the slider has moved on meanwhile
  state.frame = frame;
  frame.index = index;
  space?.setFrame(frame);
  sayAbsences(frame);
  drawFlat();
  document.body.dataset.shown = index;
  if (clip.frames.length > 1) frameAt((index + 1) % clip.frames.length);
}

function step(by) {
  return show((state.index + by + clip.frames.length) % clip.frames.length);
}

function play(on) {
  state.playing = on;
  clearTimeout(state.timer);
  el("play").textContent = on ? "❚❚" : "▶";
  el("play").setAttribute("aria-label", on ? "Pause" : "Play");
  if (on) tick();
}

function tick() {
  const started = performance.now();
  step(1).then(() => {
    const wait = 1000 / Number(el("rate").value) - (performance.now() - started);
    if (state.playing) state.timer = setTimeout(tick, Math.max(0, wait));
  }, report);
}

function report(error) {
  play(false);
  el("trouble").textContent = `This browser cannot unpack the page's data: ${error.message}`;
  el("trouble").hidden = false;
}

function chip(place, name, color, count, toggled) {
  const item = document.createElement("li"), button = document.createElement("button");
  const swatch = document.createElement("i"), number = document.createElement("small");
  button.type = "button";
  button.setAttribute("aria-pressed", "true");
  swatch.style.background = rgb(color);
  if (count) {
    number.textContent = count;
    button.title = `at most ${count} box${count === 1 ? "" : "es"} in a frame`;
  }
  button.append(swatch, name, number);
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") === "false";
    button.setAttribute("aria-pressed", String(on));
    toggled(on);
    drawFlat();
  });
  item.append(button);
  place.append(item);
}

function fillLegend() {
  for (const { id, name, color, boxes } of clip.classes) {
    chip(el("legend"), name, color, boxes, (on) => {
      if (on) hidden.delete(id);
      else hidden.add(id);
      space?.recolor();
    });
  }
  if (!clip.classes.length) el("legend").textContent = "none in this clip";
  el("layers-part").hidden = !clip.layers.length;
  for (const { name, color, recorded } of clip.layers) {
    if (recorded) {
      chip(el("layers"), name, color, 0, (on) => {
        if (on) state.offLayers.delete(name);
        else state.offLayers.add(name);
      });
    }
  }
  const never = clip.layers.filter((l) => !l.recorded).map((l) => l.name);
  if (never.length) {
    const item = document.createElement("li");
    item.className = "never";
    item.textContent = `not recorded: ${never.join(", ")}`;
    el("layers").append(item);
  }
}

function fillFacts() {
  el("scene").textContent = clip.title;
  el("summary").textContent = clip.summary;
  el("licence-short").textContent = clip.licence;
  for (const [name, value] of clip.facts) {
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    el("about").append(term, text);
  }
  for (const note of clip.notes) {
    const item = document.createElement("li");
    item.textContent = note;
    el("notes").append(item);
  }
}

/** Switch off what was not recorded, and say so where it would be. */
function admitAbsences() {
  const { missing } = clip;
  const off = (...ids) => ids.forEach((id) => { el(id).checked = false; el(id).disabled = true; });
  if (missing.lidar) off("camera-points", "space-points", "plan-points");
  if (missing.boxes) off("camera-boxes", "space-boxes", "plan-boxes");
  if (missing.occupancy) off("space-voxels");
  if (missing.layout) off("plan-layout");
  for (const option of el("point-color").options) {
    const needs = { 2: "intensity", 3: "labels" }[option.value];
    option.disabled = Boolean(missing.lidar) || (needs !== undefined && !clip.pointColumns.includes(needs));
  }
  el("cameras").hidden = !clip.cameras.length;
}

/** What this frame lacks, in the panes where it would be. */
function sayAbsences(frame) {
  const say = (...kinds) => kinds.filter(([array]) => !frame[array]).map(([, kind, word]) =>
    `${word}: not recorded${clip.missing[kind] ? "" : " in this frame"}`).join(" · ");
  const boxes = ["boxes", "boxes", "boxes"];
  if (space) {
    el("space-absent").textContent =
      say(["points", "lidar", "LiDAR"], boxes, ["cells", "occupancy", "occupancy"]);
  }
  el("plan-absent").textContent = clip.missing.layout
    ? say(boxes, ["none", "layout", "layout"]) : say(boxes, ["layout", "layout", "layout"]);
}

function fillRates() {
  const own = clip.rate;
  const rates = [...new Set([own / 2, own, own * 2, own * 5])].filter((r) => r > 0.2 && r <= 60);
  for (const rate of rates) {
    const option = document.createElement("option");
    option.value = rate;
    option.textContent = `${rate / own}× (${Number(rate.toFixed(1))} fps)`;
    option.selected = rate === own;
    el("rate").append(option);
  }
}

function listen() {
  for (const id of ["camera-boxes", "camera-points", "plan-layout", "plan-boxes", "plan-points"]) {
    el(id).addEventListener("change", drawFlat);
  }
  el("camera-points").addEventListener("change", () => { el("range-ramp").hidden = !el("camera-points").checked; });
  for (const id of ["space-points", "space-boxes", "space-voxels"]) {
    el(id).addEventListener("change", () => space?.ask());
  }
  el("point-color").addEventListener("change", () => {
    if (space) space.mode = Number(el("point-color").value);
    space?.ask();
  });
  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => space?.setView(button.dataset.view));
  }
  el("time").addEventListener("input", () => { play(false); show(Number(el("time").value)).catch(report); });
  el("play").addEventListener("click", () => play(!state.playing));
  el("back").addEventListener("click", () => { play(false); step(-1).catch(report); });
  el("forth").addEventListener("click", () => { play(false); step(1).catch(report); });
  document.addEventListener("keydown", (event) => {
    if (clip.frames.length < 2 || event.target.matches("input, select, button, textarea") || event.ctrlKey || event.metaKey) return;
    if (event.key === " ") play(!state.playing);
    else if (event.key === "ArrowLeft") step(-1).catch(report);
    else if (event.key === "ArrowRight") step(1).catch(report);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(drawFlat).observe(el("ring"));
  new ResizeObserver(drawFlat).observe(el("plan-canvas").parentElement);
}

el("time").max = clip.frames.length - 1;
for (const id of ["time", "play", "back", "forth", "rate"]) el(id).disabled = clip.frames.length < 2;
el("range-ramp").querySelector("i").style.background =
  `linear-gradient(90deg, ${clip.ramp.filter((_, i) => i % 51 === 0).map((c) => rgb(c)).join(", ")})`;
fillFacts();
fillLegend();
fillRates();
admitAbsences();
listen();
show(clip.opening).catch(report);
