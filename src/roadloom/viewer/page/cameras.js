// The camera ring: photographs with boxes and LiDAR points drawn over them.

function buildRing(place, redraw) {
  const cameras = [];
  for (const row of clip.rows) {
    const line = document.createElement("div");
    line.className = "row";
    for (const index of row) {
      const { name, width, height } = clip.cameras[index];
      const frame = document.createElement("button");
      frame.type = "button";
      frame.className = "camera";
      frame.style.flex = `${width / height} 1 0`;
      frame.style.setProperty("--ratio", width / height);
      frame.style.aspectRatio = `${width} / ${height}`;
      frame.setAttribute("aria-label", `${name}: enlarge`);
      frame.setAttribute("aria-pressed", "false");
      const image = document.createElement("img");
      image.alt = `What ${name} saw`;
      const canvas = document.createElement("canvas");
      const title = document.createElement("span");
      title.textContent = name;
      const absent = document.createElement("em");
      absent.textContent = "no photograph recorded";
      frame.append(image, absent, canvas, title);
      frame.addEventListener("click", () => {
        const large = frame.classList.toggle("large");
        frame.setAttribute("aria-pressed", String(large));
        redraw();
      });
      line.append(frame);
      cameras.push({ index, width, height, image, canvas, absent });
    }
    place.append(line);
  }
  return cameras;
}

function drawCameras(cameras, frame, show) {
  for (const { index, width, height, image, canvas, absent } of cameras) {
    const picture = frame.images[index];
    image.hidden = !picture;
    absent.hidden = Boolean(picture);
    if (picture && image.src !== picture) image.src = picture;
    const scale = (canvas.clientWidth / width) * Math.min(devicePixelRatio || 1, 2);
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    if (show.points) drawHits(pen, frame[`hits${index}`], frame[`range${index}`], scale);
    if (show.boxes) drawEdges(pen, frame[`edges${index}`], frame[`edgeClass${index}`], scale);
  }
}

// Pixel centres are whole numbers, on a canvas they lie half a pixel further; sixteenths of a pixel.
const onCanvas = (sixteenths, scale) => (sixteenths / 16 + 0.5) * scale;

/** Light under dark colours, dark under light ones. */
const rimOf = ([r, g, b]) =>
  0.2126 * r + 0.7152 * g + 0.0722 * b < 80 ? "rgb(255 255 255 / .5)" : "rgb(0 0 0 / .45)";

function drawEdges(pen, ends, classes, scale) {
  if (!ends) return;
  const unit = Math.min(devicePixelRatio || 1, 2);
  for (const rim of [true, false]) {
    pen.lineWidth = (rim ? 3.2 : 1.6) * unit;
    classes.forEach((id, i) => {
      if (hidden.has(id)) return;
      pen.strokeStyle = rim ? rimOf(colorOf(id)) : rgb(colorOf(id));
      pen.beginPath();
      pen.moveTo(onCanvas(ends[i * 4], scale), onCanvas(ends[i * 4 + 1], scale));
      pen.lineTo(onCanvas(ends[i * 4 + 2], scale), onCanvas(ends[i * 4 + 3], scale));
      pen.stroke();
    });
  }
}

function drawHits(pen, spots, ranges, scale) {
  if (!spots) return;
  const size = Math.max(1.2, 1.8 * scale);
  ranges.forEach((range, i) => {
    pen.fillStyle = rgb(clip.ramp[range]);
    pen.fillRect(onCanvas(spots[i * 2], scale) - size / 2, onCanvas(spots[i * 2 + 1], scale) - size / 2, size, size);
  });
}
