// Two pictures on top of each other, and a slider that moves the border between them.

const MOST_PIXELS = 2000;
const MOST_ENLARGED = 4;
const MARGIN = 0.6; // around a face, in widths of it

const box = document.querySelector(".compare");
const slider = document.getElementById("slider");

slider.addEventListener("input", move);
for (const name of ["pointerdown", "pointermove"]) {
  box.addEventListener(name, (event) => {
    if (!event.buttons) return;
    const { left, width } = box.getBoundingClientRect();
    slider.value = (100 * (event.clientX - left)) / width;
    move();
  });
}

/** Show two images (`before` may be null), all of them or what is around one face. */
export function compare(before, after, face = null) {
  const part = face ? around(face, after) : { x: 0, y: 0, w: after.naturalWidth, h: after.naturalHeight };
  draw(document.getElementById("before"), before ?? after, part);
  draw(document.getElementById("after"), after, part);
  box.style.setProperty("--ratio", part.w / part.h);
  box.style.setProperty("--most", `${MOST_ENLARGED * part.w}px`);
  move();
}

/** Draw the part of an image around a face onto a small canvas; return the canvas. */
export function cutOut(image, face, side) {
  const { x, y, w, h } = around(face, image, 0.15);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  canvas.getContext("2d").drawImage(image, x, y, w, h, 0, 0, side, side);
  return canvas;
}

function move() {
  box.style.setProperty("--at", `${slider.value}%`);
  const after = 100 - slider.value;
  slider.setAttribute("aria-valuetext", `${after} % of the picture shows the photo after`);
}

function draw(canvas, image, { x, y, w, h }) {
  const scale = Math.min(1, MOST_PIXELS / Math.max(w, h));
  canvas.width = Math.round(w * scale);
  canvas.height = Math.round(h * scale);
  canvas.getContext("2d").drawImage(image, x, y, w, h, 0, 0, canvas.width, canvas.height);
}

function around({ left, top, right, bottom }, image, margin = MARGIN) {
  const wanted = (1 + 2 * margin) * Math.max(right - left, bottom - top);
  const side = Math.min(wanted, image.naturalWidth, image.naturalHeight);
  const x = (left + right - side) / 2;
  const y = (top + bottom - side) / 2;
  const inside = (at, room) => Math.min(Math.max(at, 0), room - side);
  return { x: inside(x, image.naturalWidth), y: inside(y, image.naturalHeight), w: side, h: side };
}
