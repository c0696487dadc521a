// Mouse, touch and keys on the 3-D view.

function steer(canvas, space) {
  const fingers = new Map();
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
    if (fingers.size === 2) {
      const [a, b] = fingers.values();
      const apart = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
      fingers.set(event.pointerId, event);
      const [c, d] = fingers.values();
      space.zoom(apart / Math.max(1, Math.hypot(c.clientX - d.clientX, c.clientY - d.clientY)));
      space.pan(dx / 2, dy / 2);
      return;
    }
    fingers.set(event.pointerId, event);
    if (event.shiftKey || event.buttons & 2 || event.buttons & 4) space.pan(dx, dy);
    else space.turn(dx, dy);
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 24 : 1; // lines or pixels
    space.zoom(Math.exp(Math.max(-240, Math.min(240, event.deltaY * unit)) * 0.0015));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-30, 0], ArrowRight: [30, 0], ArrowUp: [0, -30], ArrowDown: [0, 30] }[event.key];
    if (move) event.shiftKey ? space.pan(...move) : space.turn(...move);
    else if (event.key === "+" || event.key === "=") space.zoom(0.85);
    else if (event.key === "-") space.zoom(1.18);
    else if (event.key === "Home") space.setView("behind");
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
