// The view from above: layout, boxes, points and the vehicle's path; forward is up.

function drawPlan(canvas, frame, show, offLayers) {
  const unit = Math.min(devicePixelRatio || 1, 2);
  if (!canvas.clientWidth || !canvas.clientHeight) return;
  canvas.width = Math.round(canvas.clientWidth * unit);
  canvas.height = Math.round(canvas.clientHeight * unit);
  const pen = canvas.getContext("2d"), { lower, upper } = clip.planBounds;
  const scale = Math.min(canvas.width / (upper[1] - lower[1]), canvas.height / (upper[0] - lower[0]));
  const middle = [(lower[0] + upper[0]) / 2, (lower[1] + upper[1]) / 2];
  const at = (x, y) => [canvas.width / 2 - (y - middle[1]) * scale, canvas.height / 2 - (x - middle[0]) * scale];
  pen.fillStyle = "#12151b";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  if (show.layout && frame.layout) drawLayout(pen, frame.layout, at, offLayers);
  drawRings(pen, at, scale);
  if (show.points && frame.points) drawCloud(pen, frame.points, at, scale);
  if (frame.path) {
    pen.lineWidth = Math.max(2, 0.35 * scale);
    pen.lineJoin = "round";
    drawPath(pen, frame.path.subarray(0, 2 * clip.pathNow[frame.index] + 2), at, "#7fb2ff");
    drawPath(pen, frame.path.subarray(2 * clip.pathNow[frame.index]), at, "#2f7df0");
  }
  if (show.boxes && frame.boxes) drawFootprints(pen, frame, at);
  drawVehicle(pen, at);
  drawScale(pen, canvas, scale);
}

function drawLayout(pen, bits, at, off) {
  const { shape: [nx, ny], lower, upper } = clip.layoutGrid;
  const sheet = new ImageData(ny, nx);
  const layers = clip.layers.map((layer, bit) => ({ ...layer, bit })).filter((l) => !off.has(l.name));
  for (let i = 0; i < nx; i++) {
    for (let j = 0; j < ny; j++) {
      const word = bits[i * ny + j];
      if (!word) continue;
      const spot = ((nx - 1 - i) * ny + (ny - 1 - j)) * 4;
      for (const { bit, color } of layers) { // later channels lie on top
        if (word >>> bit & 1) sheet.data.set([...color, 255], spot);
      }
    }
  }
  const small = new OffscreenCanvas(ny, nx);
  small.getContext("2d").putImageData(sheet, 0, 0);
  const [left, top] = at(upper[0], upper[1]), [right, bottom] = at(lower[0], lower[1]);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, left, top, right - left, bottom - top);
}

function drawRings(pen, at, scale) {
  pen.strokeStyle = "rgb(150 160 180 / .28)";
  pen.lineWidth = 1;
  for (const radius of [10, 20, 30, 40, 50]) {
    pen.beginPath();
    pen.arc(...at(0, 0), radius * scale, 0, 2 * Math.PI);
    pen.stroke();
  }
}

function drawCloud(pen, points, at, scale) {
  const size = Math.max(1, scale * 0.12);
  pen.fillStyle = "rgb(255 255 255 / .55)";
  for (let i = 0; i < points.length; i += 3) {
    const [u, v] = at(points[i] / 100, points[i + 1] / 100);
    pen.fillRect(u - size / 2, v - size / 2, size, size);
  }
}

function drawPath(pen, path, at, color) {
  pen.strokeStyle = color;
  pen.beginPath();
  for (let i = 0; i < path.length; i += 2) pen.lineTo(...at(path[i], path[i + 1]));
  pen.stroke();
}

function drawFootprints(pen, { boxes, boxClass }, at) {
  boxClass.forEach((id, box) => {
    if (hidden.has(id)) return;
    const corner = (i) => at(boxes[box * 24 + i * 3], boxes[box * 24 + i * 3 + 1]);
    const trace = (...list) => { pen.beginPath(); list.forEach((i) => pen.lineTo(...corner(i))); };
    trace(0, 1, 2, 3);
    pen.closePath();
    pen.fillStyle = rgb(colorOf(id), 0.45);
    pen.fill();
    for (const [width, ink] of [[4, "rgb(0 0 0 / .55)"], [1.8, rgb(colorOf(id))]]) {
      pen.strokeStyle = ink;
      pen.lineWidth = width;
      pen.stroke();
    }
    const [a, b] = [corner(0), corner(1)];
    if (Math.hypot(a[0] - b[0], a[1] - b[1]) < 12) return; // too small to show its front
    trace(3, 0);
    pen.strokeStyle = "#fff";
    pen.lineWidth = 2;
    pen.stroke();
  });
}

function drawVehicle(pen, at) {
  const { rear, front, half } = CAR;
  pen.beginPath();
  for (const [x, y] of [[front, 0], [front - 1.3, half], [rear, half], [rear, -half], [front - 1.3, -half]]) {
    pen.lineTo(...at(x, y));
  }
  pen.closePath();
  pen.fillStyle = "#f5f7fb";
  pen.strokeStyle = "#0b0d11";
  pen.lineWidth = 1.5;
  pen.fill();
  pen.stroke();
}

function drawScale(pen, canvas, scale) {
  const unit = canvas.width / canvas.clientWidth, x = 12 * unit, y = canvas.height - 14 * unit;
  pen.fillStyle = "rgb(0 0 0 / .55)";
  pen.fillRect(x - 6 * unit, y - 20 * unit, 10 * scale + 12 * unit, 28 * unit);
  pen.fillStyle = "#fff";
  pen.fillRect(x, y, 10 * scale, 2 * unit);
  pen.font = `${11 * unit}px system-ui, sans-serif`;
  pen.fillText("10 m", x, y - 5 * unit);
}
