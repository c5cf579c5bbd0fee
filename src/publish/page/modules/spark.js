// A line as small as a word: the last points of a series. The number beside it is its text.

import { colour } from "./theme.js";

const [WIDTH, HEIGHT, POINTS] = [88, 20, 60];

export function spark(cell, values, paint) {
  let canvas = cell.firstChild;
  if (!canvas) {
    canvas = document.createElement("canvas");
    canvas.className = "spark";
    canvas.setAttribute("aria-hidden", "true");
    cell.append(canvas);
  }
  draw(canvas, values.slice(-POINTS), colour(paint));
}

function draw(canvas, values, stroke) {
  const scale = devicePixelRatio || 1;
  if (canvas.width !== Math.round(WIDTH * scale)) [canvas.width, canvas.height] = [Math.round(WIDTH * scale), Math.round(HEIGHT * scale)];
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, WIDTH, HEIGHT);
  const top = Math.max(...values.map((value) => value ?? 0), 0);
  const x = (at) => WIDTH - 1.5 - ((values.length - 1 - at) * (WIDTH - 3)) / (POINTS - 1);
  const y = (value) => HEIGHT - 2 - (top > 0 ? (value / top) * (HEIGHT - 4) : 0);
  context.beginPath();
  let drawing = false;
  values.forEach((value, at) => {
    if (value === null) drawing = false;
    else {
      if (drawing) context.lineTo(x(at), y(value));
      else context.moveTo(x(at), y(value));
      drawing = true;
    }
  });
  [context.strokeStyle, context.lineWidth, context.lineJoin] = [stroke, 1.25, "round"];
  context.stroke();
}
