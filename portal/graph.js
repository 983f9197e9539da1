// The graph of a run on a canvas: as many steps as there are, with pan, zoom, search, and keys.
// Where each step stands was worked out by the service.

import { button, h, plain } from "./dom.js";
import { BOX, CELL, coloursOf, fitted, linesOf, wordsOf } from "./drawing.js";
import { STATUS } from "./texts.js";

const TEXT_FROM = 0.42; // scale below which texts would be too small to read
const STEPS_WHILE_MOVING = 1500;
const AGAIN_MS = 500; // after which a picture that is moved is drawn anew

/** Draws a picture of the service's, and says which step was opened. */
export class Graph {
  constructor(picture, open) {
    Object.assign(this, { picture, open, scale: 1, left: 0, top: 0, at: -1, found: new Set(), moving: false });
    this.canvas = h("canvas", { tabindex: "0", role: "application", "aria-label": this.summary(), "aria-describedby": "graph-keys" });
    this.said = h("div", { class: "offscreen", "aria-live": "polite" });
    this.element = h("div", { class: "graph" }, this.canvas, this.said, this.tools(),
      h("p", { id: "graph-keys", class: "offscreen" }, "Arrow keys move from step to step, Enter opens one, plus and minus zoom, 0 shows all."));
    this.listen();
  }

  summary() {
    return `Graph of ${this.picture.keys.length} steps`;
  }

  tools() {
    const search = h("input", { type: "search", placeholder: "Find a step", "aria-label": "Find a step in the graph" });
    search.addEventListener("input", () => this.find(search.value));
    search.addEventListener("keydown", (event) => { if (event.key === "Enter") this.next(); });
    return h("div", { class: "tools" }, search,
      button("−", () => this.zoom(1 / 1.4), { "aria-label": "Zoom out" }),
      button("+", () => this.zoom(1.4), { "aria-label": "Zoom in" }),
      button("Fit", () => this.fit(), { "aria-label": "Show all steps" }));
  }

  /** Put it on the page: from now on it has a size. */
  placed() {
    new ResizeObserver(() => { this.resize(); if (!this.wasFitted) this.fit(); else this.draw(); }).observe(this.canvas);
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    Object.assign(this, { width, height, ratio });
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
  }

  /** How the steps stand now: places and words as the service says them. */
  stand(standing) {
    if (standing.steps.length) this.words = wordsOf(standing);
    this.failed = new Map();
    this.words?.forEach((word, place) => {
      if (word === "failed") this.failed.set(this.picture.block[place], (this.failed.get(this.picture.block[place]) ?? 0) + 1);
    });
    this.draw();
  }

  fit() {
    const { x, y } = this.picture;
    let right = 1, bottom = 1, top = 0;
    for (let place = 0; place < x.length; place += 1) {
      right = Math.max(right, x[place] + 1);
      bottom = Math.max(bottom, y[place] + 1);
    }
    for (const block of this.picture.blocks) top = Math.min(top, block.y - 1);
    const across = right * CELL.width, down = (bottom - top) * CELL.height;
    this.scale = Math.min(1.15, (this.width - 16) / across, (this.height - 16) / down);
    if (this.width < 600 && x.length < 60) this.scale = Math.max(this.scale, 0.72); // a phone pans rather than squints
    this.left = Math.max(8, (this.width - across * this.scale) / 2);
    this.top = Math.max(8, (this.height - down * this.scale) / 2) - top * CELL.height * this.scale;
    this.wasFitted = this.width > 0;
    this.draw();
  }

  zoom(by, x = this.width / 2, y = this.height / 2) {
    const scale = Math.min(3, Math.max(0.005, this.scale * by));
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.moved();
  }

  moved() {
    this.moving = true;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => { this.moving = false; this.draw(); }, 150);
    this.draw();
  }

  listen() {
    const { canvas } = this;
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY, far: 0 };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) { canvas.style.cursor = this.hit(event) >= 0 ? "pointer" : "grab"; return; }
      const across = event.clientX - from.x, down = event.clientY - from.y;
      from = { x: event.clientX, y: event.clientY, far: from.far + Math.abs(across) + Math.abs(down) };
      this.left += across;
      this.top += down;
      this.moved();
    });
    canvas.addEventListener("pointerup", (event) => {
      const place = from && from.far < 6 ? this.hit(event) : -1;
      from = null;
      if (place >= 0) this.open(this.picture.keys[place]);
    });
    canvas.addEventListener("pointercancel", () => { from = null; });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return; // the page scrolls
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    addEventListener("theme", () => { this.colours = null; this.draw(); });
  }

  key(event) {
    const moves = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
    if (moves[event.key]) this.step(...moves[event.key]);
    else if (event.key === "Enter" && this.at >= 0) this.open(this.picture.keys[this.at]);
    else if (event.key === "+" || event.key === "=") this.zoom(1.4);
    else if (event.key === "-") this.zoom(1 / 1.4);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
  }

  /** Go to the nearest step in a direction. */
  step(across, down) {
    const { x, y } = this.picture;
    let best = -1, least = Infinity;
    if (this.at < 0) best = 0;
    else for (let place = 0; place < x.length; place += 1) {
      const dx = (x[place] - x[this.at]) * 3, dy = y[place] - y[this.at];
      const ahead = dx * across + dy * down;
      if (ahead <= 0) continue;
      const far = ahead + 2 * Math.abs(across ? dy : dx);
      if (far < least) { least = far; best = place; }
    }
    if (best >= 0) this.select(best);
  }

  select(place) {
    this.at = place;
    const [left, top] = this.corner(place);
    if (left < 0 || top < 0 || left + BOX.width * this.scale > this.width || top + BOX.height * this.scale > this.height) {
      this.left += this.width / 2 - left;
      this.top += this.height / 2 - top;
    }
    const word = this.words ? STATUS[this.words[place]]?.word : "";
    this.said.textContent = plain(`${this.picture.names[place]}, ${word}`);
    this.draw();
  }

  find(text) {
    const sought = text.trim().toLowerCase();
    this.found = new Set();
    if (sought) this.picture.names.forEach((name, place) => { if (name.toLowerCase().includes(sought)) this.found.add(place); });
    if (this.found.size) this.select([...this.found][0]);
    this.said.textContent = sought ? `${this.found.size} steps found` : "";
    this.draw();
  }

  next() {
    const all = [...this.found];
    if (all.length) this.select(all[(all.indexOf(this.at) + 1) % all.length]);
  }

  corner(place) {
    const { x, y } = this.picture;
    return [this.left + (x[place] * CELL.width + 24) * this.scale, this.top + (y[place] * CELL.height + 10) * this.scale];
  }

  hit(event) {
    const { x, y } = this.picture;
    const column = Math.floor((event.offsetX - this.left) / this.scale / CELL.width);
    const row = Math.floor((event.offsetY - this.top) / this.scale / CELL.height);
    for (let place = 0; place < x.length; place += 1) if (x[place] === column && y[place] === row) return place;
    return -1;
  }

  draw() {
    if (this.asked || !this.width) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.paint(); });
  }

  paint() {
    this.paints = (this.paints ?? 0) + 1;
    const pen = this.canvas.getContext("2d");
    if (this.moving && this.picture.keys.length > STEPS_WHILE_MOVING && this.still && performance.now() - this.still.at < AGAIN_MS) this.paintStill(pen);
    else this.paintAll(pen);
  }

  /** The last whole picture, moved and stretched: where many steps are to be seen, drawing them takes too long to be smooth. */
  paintStill(pen) {
    const { left, top, scale, picture } = this.still, by = this.scale / scale;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.drawImage(picture, (this.left - left * by) * this.ratio, (this.top - top * by) * this.ratio, picture.width * by, picture.height * by);
  }

  keepStill() {
    const picture = this.still?.picture ?? document.createElement("canvas");
    picture.width = this.canvas.width;
    picture.height = this.canvas.height;
    picture.getContext("2d").drawImage(this.canvas, 0, 0);
    this.still = { picture, left: this.left, top: this.top, scale: this.scale, at: performance.now() };
  }

  paintAll(pen) {
    this.colours ??= coloursOf(this.canvas);
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    const visible = this.visible();
    this.paintEdges(pen);
    this.paintBlocks(pen);
    if (this.scale < TEXT_FROM) this.paintSmall(pen, visible);
    else for (const place of visible) this.paintStep(pen, place);
    this.paintMarks(pen);
    if (this.picture.keys.length > STEPS_WHILE_MOVING) this.keepStill();
  }

  visible() {
    const { x, y } = this.picture;
    const from = [(-this.left / this.scale) / CELL.width - 1, (-this.top / this.scale) / CELL.height - 1];
    const to = [(this.width - this.left) / this.scale / CELL.width, (this.height - this.top) / this.scale / CELL.height];
    const found = [];
    for (let place = 0; place < x.length; place += 1) {
      if (x[place] >= from[0] && x[place] <= to[0] && y[place] >= from[1] && y[place] <= to[1]) found.push(place);
    }
    return found;
  }

  paintEdges(pen) {
    this.lines ??= linesOf(this.picture);
    const { lines, scale } = this;
    const curved = scale > 0.2;
    pen.beginPath();
    for (const [fromX, fromY, toX, toY] of lines) {
      const left = this.left + fromX * scale, top = this.top + fromY * scale, right = this.left + toX * scale, bottom = this.top + toY * scale;
      if (Math.max(left, right) < 0 || Math.min(left, right) > this.width || Math.max(top, bottom) < 0 || Math.min(top, bottom) > this.height) continue;
      pen.moveTo(left, top);
      const bend = Math.max(18 * scale, (right - left) / 2);
      if (curved) pen.bezierCurveTo(left + bend, top, right - bend, bottom, right, bottom);
      else pen.lineTo(right, bottom);
    }
    pen.strokeStyle = this.colours.edge;
    pen.lineWidth = curved ? 1.3 : 0.5;
    pen.stroke();
  }

  paintBlocks(pen) {
    if (this.scale < 0.02) return;
    for (const [number, block] of this.picture.blocks.entries()) {
      const left = this.left + (block.x * CELL.width + 12) * this.scale, top = this.top + (block.y * CELL.height - 2) * this.scale;
      pen.strokeStyle = this.colours.line;
      pen.strokeRect(left, top, block.columns * CELL.width * this.scale, block.rows * CELL.height * this.scale);
      pen.fillStyle = this.colours.text;
      pen.font = "600 12px system-ui";
      const failed = this.failed?.get(number) ?? 0;
      pen.fillText(plain(`${block.label || "others"} × ${block.steps}${failed ? ` · ${failed} failed` : ""}`), left + 2, top - 5, Math.max(60, block.columns * CELL.width * this.scale));
    }
  }

  paintSmall(pen, visible) {
    const wide = Math.max(1, BOX.width * this.scale), high = Math.max(1, BOX.height * this.scale);
    const kinds = new Map();
    for (const place of visible) {
      const word = this.words?.[place] ?? "waiting";
      if (!kinds.has(word)) kinds.set(word, []);
      kinds.get(word).push(place);
    }
    for (const [word, places] of kinds) {
      pen.fillStyle = this.colours[word] ?? this.colours.waiting;
      for (const place of places) pen.fillRect(...this.corner(place), wide, high);
      if (high < 9 || !STATUS[word]) continue;
      pen.fillStyle = this.colours.box; // the sign too, for who cannot tell the colours apart
      pen.font = `${Math.round(high * 0.8)}px system-ui`;
      for (const place of places) { const [left, top] = this.corner(place); pen.fillText(STATUS[word].sign, left + 3, top + high * 0.8); }
    }
  }

  paintStep(pen, place) {
    const [left, top] = this.corner(place), { scale } = this;
    const word = this.words?.[place] ?? "waiting";
    const wide = BOX.width * scale, high = BOX.height * scale;
    pen.fillStyle = this.colours.box;
    pen.strokeStyle = this.colours[word] ?? this.colours.line;
    pen.lineWidth = word === "failed" || word === "at_work" ? 2.2 : 1.2;
    pen.setLineDash(word === "waiting" || word === "skipped" ? [4, 3] : []);
    pen.beginPath();
    pen.roundRect(left, top, wide, high, 7 * scale);
    pen.fill();
    pen.stroke();
    pen.setLineDash([]);
    pen.fillStyle = this.colours[word] ?? this.colours.text;
    pen.font = `600 ${14 * scale}px system-ui`;
    pen.fillText(STATUS[word]?.sign ?? "·", left + 9 * scale, top + 18 * scale);
    pen.fillStyle = this.colours.text;
    pen.font = `600 ${13 * scale}px system-ui`;
    pen.fillText(fitted(pen, plain(this.picture.names[place]), wide - 36 * scale), left + 28 * scale, top + 18 * scale);
    pen.fillStyle = this.colours.quiet;
    pen.font = `${11 * scale}px system-ui`;
    if (this.words) pen.fillText(STATUS[word]?.word ?? word, left + 28 * scale, top + 33 * scale);
  }

  paintMarks(pen) {
    pen.strokeStyle = this.colours.mark;
    pen.lineWidth = 3;
    const marked = this.at >= 0 && document.activeElement === this.canvas ? [...this.found, this.at] : [...this.found];
    for (const place of marked.slice(0, 2000)) {
      const [left, top] = this.corner(place);
      pen.strokeRect(left - 3, top - 3, Math.max(2, BOX.width * this.scale) + 6, Math.max(2, BOX.height * this.scale) + 6);
    }
  }
}
