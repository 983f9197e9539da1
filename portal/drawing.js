// The measures and colours of a drawing, and what of it is worked out once.

import { STATUS } from "./texts.js";

export const CELL = { width: 236, height: 62 }; // a step and the room around it
export const BOX = { width: 188, height: 42 };

/** The lines between steps, in the drawing's own measure. Those of a block begin and end at its border, and once. */
export function linesOf({ x, y, block, blocks, edges }) {
  const found = new Map();
  const end = (place, isStart) => {
    const one = blocks[block[place]];
    if (!one) return [x[place] * CELL.width + 24 + (isStart ? BOX.width : 0), y[place] * CELL.height + 10 + BOX.height / 2];
    return [(one.x + (isStart ? one.columns : 0)) * CELL.width + 12, (one.y + one.rows / 2) * CELL.height - 2];
  };
  for (let one = 0; one < edges.length; one += 2) {
    const [before, after] = [edges[one], edges[one + 1]];
    const within = block[before] >= 0 && block[before] === block[after];
    const key = `${block[before] >= 0 ? `b${block[before]}` : before}>${block[after] >= 0 ? `b${block[after]}` : after}`;
    if (!within && !found.has(key)) found.set(key, [...end(before, true), ...end(after, false)]);
  }
  return [...found.values()];
}

/** The word for each step, as the service has told how they stand. */
export function wordsOf(standing) {
  const words = standing.steps.map((one) => standing.words[one]);
  for (const place of standing.at_work) if (words[place] === "started") words[place] = "at_work";
  return words;
}

/** A text, cut to fit a room. */
export function fitted(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let length = Math.min(text.length, 60);
  while (length > 1 && pen.measureText(`${text.slice(0, length)}…`).width > room) length -= 1;
  return `${text.slice(0, length)}…`;
}

/** The colours of the theme, for a canvas. */
export function coloursOf(element) {
  const style = getComputedStyle(element);
  const names = ["text", "quiet", "line", "edge", "box", "mark", ...Object.keys(STATUS)];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name.replace("_", "-")}`).trim() || style.getPropertyValue("--line")]));
}
