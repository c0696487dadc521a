// What the graphics card runs. Class colours come from a palette texture; alpha 0 hides a class.

const PALETTE_AND_VIEW = `#version 300 es
precision highp float;
uniform mat4 view;
uniform vec2 screen;      // in device pixels
uniform sampler2D palette;
vec4 classColor(float id) { return texelFetch(palette, ivec2(int(id + 0.5), 0), 0); }
const vec4 NOWHERE = vec4(2.0, 2.0, 2.0, 1.0);
`;

const PLAIN_FRAGMENT = `#version 300 es
precision highp float;
in vec4 tint; out vec4 color;
void main() { color = vec4(tint.rgb * tint.a, tint.a); }`;

const SHADERS = {
  points: {
    vertex: `${PALETTE_AND_VIEW}
in vec3 centimetres; in float intensity; in float label;
uniform int mode; uniform float size; uniform sampler2D ramp;
out vec4 tint;
void main() {
  vec3 p = centimetres * 0.01;
  gl_Position = view * vec4(p, 1.0);
  gl_PointSize = clamp(size * 55.0 / gl_Position.w, 1.4, 4.5) * screen.x / 900.0 + 0.8;
  // Low and dim are blue, high and bright are yellow; near is yellow, as in the photographs.
  float share = mode == 0 ? (4.0 - p.z) / 5.0 : mode == 1 ? length(p.xy) / 60.0 : 1.0 - intensity;
  tint = vec4(texture(ramp, vec2(clamp(share, 0.002, 0.998), 0.5)).rgb, 1.0);
  vec4 own = classColor(label);
  if (mode == 3) tint = own;
  if (own.a == 0.0) gl_Position = NOWHERE;
}`,
    fragment: `#version 300 es
precision highp float;
in vec4 tint; out vec4 color;
void main() {
  vec2 off = gl_PointCoord - 0.5;
  if (dot(off, off) > 0.25) discard;
  color = vec4(tint.rgb, 1.0);
}`,
  },
  lines: {
    vertex: `${PALETTE_AND_VIEW}
in vec3 start; in vec3 end; in float id;
uniform float width;
out vec4 tint;
void main() {
  vec4 a = view * vec4(start, 1.0), b = view * vec4(end, 1.0);
  tint = classColor(id);
  float near = 0.05;
  if (tint.a == 0.0 || (a.w < near && b.w < near)) { gl_Position = NOWHERE; return; }
  if (a.w < near) a = mix(a, b, (near - a.w) / (b.w - a.w));
  if (b.w < near) b = mix(b, a, (near - b.w) / (a.w - b.w));
  vec2 along = (b.xy / b.w - a.xy / a.w) * screen;
  vec2 across = normalize(vec2(-along.y, along.x) + vec2(1e-9, 0.0)) * width / screen;
  vec4 here = (gl_VertexID & 1) == 0 ? a : b;
  here.xy += across * (gl_VertexID < 2 ? 1.0 : -1.0) * here.w;
  gl_Position = here;
}`,
    fragment: PLAIN_FRAGMENT,
  },
  faces: {
    vertex: `${PALETTE_AND_VIEW}
in vec3 position; in float id; in float opacity;
out vec4 tint;
void main() {
  tint = classColor(id);
  gl_Position = tint.a == 0.0 ? NOWHERE : view * vec4(position, 1.0);
  tint.a *= opacity;
}`,
    fragment: PLAIN_FRAGMENT,
  },
  voxels: {
    vertex: `${PALETTE_AND_VIEW}
in vec4 cell; in float id;   // x, y, z, face: +x -x +y -y +z -z
uniform vec3 lower; uniform vec3 edge;
out vec4 tint; out vec2 within;
void main() {
  int face = int(cell.w + 0.5), axis = face / 2;
  within = vec2(float(gl_VertexID & 1), float(gl_VertexID >> 1));
  float side = (face & 1) == 0 ? 1.0 : 0.0;
  vec3 corner = axis == 0 ? vec3(side, within) : axis == 1 ? vec3(within.x, side, within.y)
    : vec3(within, side);
  gl_Position = view * vec4(lower + (cell.xyz + corner) * edge, 1.0);
  float light = axis == 2 ? (side > 0.5 ? 1.0 : 0.45) : axis == 0 ? 0.72 : 0.84;
  tint = classColor(id);
  tint.rgb *= light;
}`,
    fragment: `#version 300 es
precision highp float;
in vec4 tint; in vec2 within; out vec4 color;
void main() {
  vec2 rim = min(within, 1.0 - within), soft = fwidth(within);
  float line = min(min(rim.x / soft.x, rim.y / soft.y), 1.0);
  float fade = clamp(1.0 - 6.0 * max(soft.x, soft.y), 0.0, 1.0); // far cells are smaller than a rim
  color = vec4(tint.rgb * mix(1.0, 0.72 + 0.28 * line, fade), 1.0);
}`,
  },
};
