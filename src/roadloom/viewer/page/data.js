// The clip's data: one JSON block of facts, and one per frame, unpacked when first shown.

const ARRAYS = {
  u8: Uint8Array, i16: Int16Array, u16: Uint16Array, u32: Uint32Array, f32: Float32Array,
};
const clip = JSON.parse(document.getElementById("clip").textContent);
const unpacked = new Map();

/** One frame's images (data URIs or null) and typed arrays by name. */
function frameAt(index) {
  if (!unpacked.has(index)) unpacked.set(index, unpack(`frame-${index}`));
  return unpacked.get(index);
}

async function unpack(id) {
  const block = document.getElementById(id);
  const { images, blob, arrays } = JSON.parse(block.textContent);
  const text = atob(blob);
  const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const frame = { images };
  for (const [name, type, start, length] of arrays) {
    frame[name] = new ARRAYS[type](buffer, start, length);
  }
  return frame;
}

/** Class ids that the reader of the page has switched off. */
const hidden = new Set();
const classColor = new Map(clip.classes.map((c) => [c.id, c.color]));
const rgb = ([r, g, b], alpha = 1) => `rgb(${r} ${g} ${b} / ${alpha})`;
const colorOf = (id) => classColor.get(id) ?? [160, 160, 160];
