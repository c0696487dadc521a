// The 3-D view: points, boxes and voxels in the ego frame (x forward, y left, z up; metres).

const VIEWS = {
  behind: { azimuth: Math.PI, elevation: 0.42, distance: 34, target: [8, 0, 0] },
  above: { azimuth: Math.PI, elevation: 1.5607, distance: 95, target: [0, 0, 0] },
};
const OWN = { path: 251, ego: 252, ring: 253 }; // palette rows that no class uses
const CAR = { rear: -1.0, front: 3.7, half: 0.95, height: 1.55 }; // a nominal ego vehicle
const BOX_EDGES = [0, 1, 1, 2, 2, 3, 3, 0, 4, 5, 5, 6, 6, 7, 7, 4, 0, 4, 1, 5, 2, 6, 3, 7];
const BOX_FACES = [
  [0, 3, 7, 4], [1, 2, 6, 5], [0, 1, 5, 4], [3, 2, 6, 7], [4, 5, 6, 7], [0, 1, 2, 3],
]; // the front first

class Space {
  constructor(canvas, gl, show) {
    Object.assign(this, { canvas, gl, show, parts: {}, pending: false, mode: 0, frame: null });
    this.programs = Object.fromEntries(
      Object.entries(SHADERS).map(([name, s]) => [name, linked(gl, s.vertex, s.fragment)]));
    this.palette = rowTexture(gl, gl.NEAREST);
    this.ramp = rowTexture(gl, gl.LINEAR);
    fillRow(gl, this.ramp, Uint8Array.from(clip.ramp.flatMap((c) => [...c, 255])));
    this.setView("behind");
    this.recolor();
    this.setScenery();
    new ResizeObserver(() => this.ask()).observe(canvas);
  }

  setView(name) {
    const view = VIEWS[name];
    Object.assign(this, view, { target: [...view.target] });
    this.ask();
  }

  recolor() {
    const rows = new Uint8Array(1024);
    const set = (id, color, alpha = 255) => rows.set([...color, alpha], id * 4);
    for (let id = 0; id < 256; id++) set(id, colorOf(id), hidden.has(id) ? 0 : 255);
    set(OWN.path, [90, 160, 255]);
    set(OWN.ego, [235, 238, 245]);
    set(OWN.ring, [70, 78, 92]);
    fillRow(this.gl, this.palette, rows);
    this.setVoxels();
    this.ask();
  }

  setFrame(frame) {
    this.frame = frame;
    this.setPoints();
    this.setBoxes();
    this.setVoxels();
    this.ask();
  }

  setPoints() {
    const { points, intensity, labels } = this.frame;
    this.drop("points");
    if (!points) return;
    const none = () => new Uint8Array(points.length / 3).fill(255);
    this.parts.points = this.part("points", points.length / 3, {
      centimetres: { data: points, size: 3 },
      intensity: { data: intensity ?? none(), size: 1, share: true },
      label: { data: labels ?? none(), size: 1 },
    });
  }

  setBoxes() {
    const { boxes, boxClass } = this.frame;
    this.drop("boxLines");
    this.drop("boxFaces");
    if (!boxes || !boxClass.length) return;
    const corner = (box, i) => boxes.subarray(box * 24 + i * 3, box * 24 + i * 3 + 3);
    const lines = [], faces = [];
    boxClass.forEach((id, box) => {
      for (let e = 0; e < BOX_EDGES.length; e += 2) {
        lines.push([corner(box, BOX_EDGES[e]), corner(box, BOX_EDGES[e + 1]), id]);
      }
      BOX_FACES.forEach((face, side) =>
        faces.push([face.map((i) => corner(box, i)), id, side ? 0.1 : 0.42]));
    });
    this.parts.boxLines = this.lines(lines);
    this.parts.boxFaces = this.faces(faces);
  }

  setVoxels() {
    this.drop("voxels");
    const { cells, cellClass } = this.frame ?? {};
    if (!cells) return;
    const { shape } = clip.occupancyGrid;
    const { faces, ids } = openFaces(cells, cellClass, shape);
    this.parts.voxels = this.part("voxels", ids.length, {
      cell: { data: faces, size: 4, each: true }, id: { data: ids, size: 1, each: true },
    });
  }

  setScenery() {
    const lines = [];
    for (const radius of [10, 20, 30, 40, 50]) {
      const at = (k) => [radius * Math.cos(k * Math.PI / 48), radius * Math.sin(k * Math.PI / 48), 0];
      for (let k = 0; k < 96; k++) lines.push([at(k), at(k + 1), OWN.ring]);
    }
    this.parts.scenery = this.lines(lines);
    const { rear, front, half, height } = CAR;
    const corners = [0, height].flatMap((z) =>
      [[front, half, z], [rear, half, z], [rear, -half, z], [front, -half, z]]);
    const edges = [];
    for (let e = 0; e < BOX_EDGES.length; e += 2) {
      edges.push([corners[BOX_EDGES[e]], corners[BOX_EDGES[e + 1]], OWN.ego]);
    }
    this.parts.car = this.lines(edges);
    this.parts.carFaces = this.faces(BOX_FACES.map((face, side) =>
      [face.map((i) => corners[i]), OWN.ego, side ? 0.16 : 0.5]));
  }

  lines(list) {
    const ends = new Float32Array(list.length * 6), ids = new Uint8Array(list.length);
    list.forEach(([a, b, id], i) => { ends.set(a, i * 6); ends.set(b, i * 6 + 3); ids[i] = id; });
    return this.part("lines", list.length, {
      start: { data: ends, size: 3, each: true, stride: 24 },
      end: { data: ends, size: 3, each: true, stride: 24, offset: 12 },
      id: { data: ids, size: 1, each: true },
    });
  }

  faces(list) {
    const corners = [0, 1, 2, 0, 2, 3];
    const at = new Float32Array(list.length * 18), ids = new Uint8Array(list.length * 6);
    const opacity = new Float32Array(list.length * 6);
    list.forEach(([face, id, alpha], i) => corners.forEach((c, k) => {
      at.set(face[c], (i * 6 + k) * 3);
      ids[i * 6 + k] = id;
      opacity[i * 6 + k] = alpha;
    }));
    return this.part("faces", list.length * 6, {
      position: { data: at, size: 3 }, id: { data: ids, size: 1 }, opacity: { data: opacity, size: 1 },
    });
  }

  drop(name) {
    const part = this.parts[name];
    if (!part) return;
    this.gl.deleteVertexArray(part.vao);
    part.buffers.forEach((buffer) => this.gl.deleteBuffer(buffer));
    delete this.parts[name];
  }

  /** A vertex array for `program`, with one buffer per attribute. */
  part(program, count, attributes) {
    const { gl } = this, vao = gl.createVertexArray(), buffers = [];
    gl.bindVertexArray(vao);
    for (const [name, a] of Object.entries(attributes)) {
      const where = gl.getAttribLocation(this.programs[program], name);
      if (where < 0) continue;
      const buffer = gl.createBuffer();
      buffers.push(buffer);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, a.data, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(where);
      gl.vertexAttribPointer(where, a.size, glType(gl, a.data), a.share ?? false, a.stride ?? 0, a.offset ?? 0);
      gl.vertexAttribDivisor(where, a.each ? 1 : 0);
    }
    gl.bindVertexArray(null);
    return { program, count, vao, buffers };
  }

  ask() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.draw(); });
  }

  matrix(aspect) {
    const { azimuth: a, elevation: e, distance: d, target } = this;
    const back = [Math.cos(e) * Math.cos(a), Math.cos(e) * Math.sin(a), Math.sin(e)];
    const right = [-Math.sin(a), Math.cos(a), 0];
    const up = [-Math.sin(e) * Math.cos(a), -Math.sin(e) * Math.sin(a), Math.cos(e)];
    const eye = target.map((t, i) => t + d * back[i]);
    this.axes = { right, up };
    return multiplied(perspective(0.85, aspect, 0.3, 900), viewFrom(eye, right, up, back));
  }

  draw() {
    const { gl, canvas, parts, show } = this, scale = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * scale), height = Math.round(canvas.clientHeight * scale);
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    gl.viewport(0, 0, width, height);
    gl.clearColor(0.062, 0.071, 0.09, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.view = this.matrix(width / height);
    this.size = [width, height];
    this.paint(parts.scenery, gl.TRIANGLE_STRIP, 4, { width: scale });
    if (show.voxels()) this.paint(parts.voxels, gl.TRIANGLE_STRIP, 4, {});
    if (show.points()) this.paint(parts.points, gl.POINTS, 0, {});
    this.paint(parts.car, gl.TRIANGLE_STRIP, 4, { width: 1.5 * scale });
    if (show.boxes()) this.paint(parts.boxLines, gl.TRIANGLE_STRIP, 4, { width: 2 * scale });
    gl.enable(gl.BLEND);
    gl.depthMask(false);
    this.paint(parts.carFaces, gl.TRIANGLES, 0, {});
    if (show.boxes()) this.paint(parts.boxFaces, gl.TRIANGLES, 0, {});
    gl.depthMask(true);
    gl.disable(gl.BLEND);
  }

  paint(part, kind, each, { width = 1 }) {
    if (!part || !part.count) return;
    const { gl } = this, program = this.programs[part.program];
    const at = (name) => gl.getUniformLocation(program, name);
    gl.useProgram(program);
    gl.uniformMatrix4fv(at("view"), false, this.view);
    gl.uniform2fv(at("screen"), this.size);
    gl.uniform1f(at("width"), width);
    gl.uniform1i(at("mode"), this.mode);
    gl.uniform1f(at("size"), 1);
    if (clip.occupancyGrid) {
      gl.uniform3fv(at("lower"), clip.occupancyGrid.lower);
      gl.uniform3fv(at("edge"), clip.occupancyGrid.cell);
    }
    [["palette", this.palette], ["ramp", this.ramp]].forEach(([name, texture], unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.uniform1i(at(name), unit);
    });
    gl.bindVertexArray(part.vao);
    if (each) gl.drawArraysInstanced(kind, 0, each, part.count);
    else gl.drawArrays(kind, 0, part.count);
  }

  turn(dx, dy) {
    this.azimuth -= dx * 0.006;
    this.elevation = Math.min(1.5607, Math.max(-0.1, this.elevation + dy * 0.006));
    this.ask();
  }

  zoom(factor) {
    this.distance = Math.min(300, Math.max(2, this.distance * factor));
    this.ask();
  }

  pan(dx, dy) {
    const step = this.distance * 0.85 / Math.max(1, this.canvas.clientHeight);
    const { right, up } = this.axes;
    this.target = this.target.map((t, i) => t + step * (dy * up[i] - dx * right[i]));
    this.ask();
  }
}

/** Faces of visible cells that no other visible cell covers: four bytes pairs and a class each. */
function openFaces(cells, classes, [nx, ny, nz]) {
  const solid = new Uint8Array(nx * ny * nz), count = classes.length;
  const at = (x, y, z) => (x * ny + y) * nz + z;
  for (let i = 0; i < count; i++) {
    if (!hidden.has(classes[i])) solid[at(cells[i * 3], cells[i * 3 + 1], cells[i * 3 + 2])] = 1;
  }
  const faces = [], ids = [];
  for (let i = 0; i < count; i++) {
    const x = cells[i * 3], y = cells[i * 3 + 1], z = cells[i * 3 + 2];
    if (hidden.has(classes[i])) continue;
    const open = [
      x + 1 === nx || !solid[at(x + 1, y, z)], x === 0 || !solid[at(x - 1, y, z)],
      y + 1 === ny || !solid[at(x, y + 1, z)], y === 0 || !solid[at(x, y - 1, z)],
      z + 1 === nz || !solid[at(x, y, z + 1)], z === 0 || !solid[at(x, y, z - 1)],
    ];
    for (let face = 0; face < 6; face++) {
      if (open[face]) { faces.push(x, y, z, face); ids.push(classes[i]); }
    }
  }
  return { faces: Uint16Array.from(faces), ids: Uint8Array.from(ids) };
}

function linked(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  return program;
}

function rowTexture(gl, filter) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, filter);
  for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
  return texture;
}

function fillRow(gl, texture, rgba) {
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, rgba.length / 4, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
}

function glType(gl, data) {
  if (data instanceof Float32Array) return gl.FLOAT;
  if (data instanceof Int16Array) return gl.SHORT;
  return data instanceof Uint16Array ? gl.UNSIGNED_SHORT : gl.UNSIGNED_BYTE;
}
