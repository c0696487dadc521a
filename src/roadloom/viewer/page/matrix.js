// 4 x 4 matrices as WebGL takes them: sixteen numbers, column after column.

function multiplied(a, b) {
  const out = new Float32Array(16);
  for (let column = 0; column < 4; column++) {
    for (let row = 0; row < 4; row++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += a[k * 4 + row] * b[column * 4 + k];
      out[column * 4 + row] = sum;
    }
  }
  return out;
}

function perspective(angle, aspect, near, far) {
  const f = 1 / Math.tan(angle / 2), depth = near - far;
  return new Float32Array([
    f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, (far + near) / depth, -1, 0, 0, (2 * far * near) / depth, 0,
  ]);
}

/** The view from `eye`, along the unit vectors right, up and back. */
function viewFrom(eye, right, up, back) {
  const out = new Float32Array(16);
  [right, up, back].forEach((axis, row) => {
    for (let k = 0; k < 3; k++) out[k * 4 + row] = axis[k];
    out[12 + row] = -(axis[0] * eye[0] + axis[1] * eye[1] + axis[2] * eye[2]);
  });
  out[15] = 1;
  return out;
}
