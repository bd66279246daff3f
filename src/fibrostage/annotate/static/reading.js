// The reading screen: keys, pictures, boxes. What is said here goes to /api and nowhere else.
"use strict";
const csrf = document.body.dataset.csrf, desk = document.getElementById("desk");
const place = document.getElementById("exam"), form = document.getElementById("answer"), nothing = document.getElementById("nothing");
const say = document.getElementById("say"), comment = document.getElementById("comment");
const light = { brightness: document.getElementById("brightness"), contrast: document.getElementById("contrast") };
const classes = desk.dataset.classes.split("\t");
let panels = [], active = 0, began = performance.now(), ahead = null, busy = false, moved = {};

async function post(path, body) {
  const answer = await fetch("/api/" + path, {
    method: "POST", headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf }, body: JSON.stringify(body || {}),
  });
  if (answer.status === 401) { location.href = "/login"; }
  const content = await answer.json();
  if (!answer.ok) { throw Object.assign(new Error(told(content)), { status: answer.status }); }
  return content;
}
function told(content) {
  return typeof content.detail === "string" ? content.detail : "this was refused: " + JSON.stringify(content.detail);
}
const token = () => { const exam = place.querySelector(".exam"); return exam ? exam.dataset.token : ""; };

async function fetchExam(after) {
  const answer = await fetch("/exam" + (after ? "?after=" + encodeURIComponent(after) : ""));
  if (answer.status === 200) { return answer.text(); }
  if (answer.redirected) { location.href = "/login"; }
  return null;
}
function show(html) {
  place.innerHTML = html || "";
  nothing.hidden = Boolean(html); form.hidden = !html;
  comment.value = ""; moved = {}; ahead = null; began = performance.now();
  panels = [...place.querySelectorAll(".modality")].map((section) => new Panel(section));
  if (panels.length) { activate(0); prefetch(); }
}
async function prefetch() {
  const now = token(), html = await fetchExam(now);
  if (token() !== now || !html) { return; }
  ahead = html;
  const held = document.createElement("template"); held.innerHTML = html;  // its pictures, into the browser's memory
  for (const thumb of held.content.querySelectorAll(".thumb")) { new Image().src = "/picture/" + thumb.dataset.sha; }
}
async function next() {
  if (ahead) { show(ahead); } else { show(await fetchExam("")); }
}

class Panel {
  constructor(section) {
    this.section = section; this.grey = section.dataset.grey === "yes";
    this.canvas = section.querySelector("canvas"); this.scaleBar = section.querySelector(".scale"); this.facts = section.querySelector(".facts");
    this.thumbs = [...section.querySelectorAll(".thumb")];
    this.at = 0; this.zoom = 1; this.x = 0; this.y = 0; this.images = {}; this.timer = null; this.draft = null;
    this.thumbs.forEach((thumb, at) => thumb.addEventListener("click", () => { activate(panels.indexOf(this)); this.pick(at); }));
    this.canvas.addEventListener("wheel", (event) => { event.preventDefault(); this.scale(event.deltaY < 0 ? 1.2 : 1 / 1.2); }, { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.grab(event));
    this.canvas.addEventListener("focus", () => activate(panels.indexOf(this), false));
    this.pick(0);
  }
  get thumb() { return this.thumbs[this.at]; }
  get size() { return Number(this.thumb.dataset.size); }
  get box() {
    const own = moved[this.thumb.dataset.sha] || (this.thumb.dataset.box || "").split(",").map(Number);
    return own.length === 4 ? own : null;
  }
  pick(at) {
    this.at = (at + this.thumbs.length) % this.thumbs.length;
    this.thumbs.forEach((thumb, number) => thumb.setAttribute("aria-current", String(number === this.at)));
    const sha = this.thumb.dataset.sha;
    if (!this.images[sha]) {
      this.images[sha] = new Image();
      this.images[sha].onload = () => this.draw();
      this.images[sha].src = "/picture/" + sha;
    }
    const kpa = this.thumb.dataset.kpa;
    this.facts.textContent = "picture " + (this.at + 1) + " of " + this.thumbs.length + (kpa ? " · " + kpa + " kPa" : "");
    this.showBar();
    this.draw();
  }
  showBar() {
    const colours = this.thumb.dataset.bar ? this.thumb.dataset.bar.split(",") : [], bar = this.scaleBar.querySelector("canvas");
    this.scaleBar.hidden = !colours.length;
    if (!colours.length) { return; }
    const pen = bar.getContext("2d"), step = bar.height / colours.length;
    colours.forEach((colour, at) => { pen.fillStyle = colour; pen.fillRect(0, at * step, bar.width, step + 1); });
    const marks = this.thumb.dataset.marks.split(",");
    this.scaleBar.querySelectorAll("li").forEach((item, at) => { item.textContent = marks[at]; });
    bar.setAttribute("aria-label", "colour bar from " + marks[2] + " to " + marks[0]);
  }
  scale(by) { this.zoom = Math.min(8, Math.max(1, this.zoom * by)); if (this.zoom === 1) { this.x = this.y = 0; } this.draw(); }
  draw() {
    const image = this.images[this.thumb.dataset.sha], pen = this.canvas.getContext("2d"), side = this.canvas.width;
    pen.setTransform(1, 0, 0, 1, 0, 0); pen.filter = "none"; pen.clearRect(0, 0, side, side);
    if (!image || !image.complete || !image.naturalWidth) { return; }
    if (this.grey) { pen.filter = "brightness(" + (1 + light.brightness.value / 100) + ") contrast(" + (1 + light.contrast.value / 100) + ")"; }
    const k = side / this.size * this.zoom;
    pen.setTransform(k, 0, 0, k, this.x, this.y); pen.imageSmoothingEnabled = this.zoom < 3;
    pen.drawImage(image, 0, 0); pen.filter = "none";
    const box = this.draft || (!this.grey && this.box);
    if (box) {
      pen.strokeStyle = this.draft || moved[this.thumb.dataset.sha] ? "#f2a900" : "#ffffff"; pen.lineWidth = 1.5 / k;
      pen.setLineDash([4 / k, 3 / k]); pen.strokeRect(...box); pen.setLineDash([]);
    }
  }
  point(event) {
    const frame = this.canvas.getBoundingClientRect(), side = this.canvas.width;
    const shown = Math.min(frame.width, frame.height), scale = side / shown;
    const px = (event.clientX - frame.left - (frame.width - shown) / 2) * scale, py = (event.clientY - frame.top - (frame.height - shown) / 2) * scale;
    const k = side / this.size * this.zoom;
    return { px, py, x: (px - this.x) / k, y: (py - this.y) / k };
  }
  grab(event) {
    activate(panels.indexOf(this)); this.canvas.setPointerCapture(event.pointerId);
    const from = this.point(event), start = { x: this.x, y: this.y }, drawing = document.body.classList.contains("drawing");
    const move = (step) => {
      const to = this.point(step);
      if (drawing) { this.draft = this.between(from, to); } else if (this.zoom > 1) { this.x = start.x + to.px - from.px; this.y = start.y + to.py - from.py; }
      this.draw();
    };
    const drop = () => {
      this.canvas.removeEventListener("pointermove", move);
      if (drawing && this.draft && this.draft[2] > 3 && this.draft[3] > 3) {
        moved[this.thumb.dataset.sha] = this.draft;
        say.textContent = "The box was moved; it is stored with your answer.";
      }
      this.draft = null; document.body.classList.remove("drawing"); this.draw();
    };
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", drop, { once: true });
    this.canvas.addEventListener("pointercancel", drop, { once: true });
  }
  between(from, to) {
    const inside = (value) => Math.round(Math.min(this.size, Math.max(0, value)));
    const [left, right] = [inside(Math.min(from.x, to.x)), inside(Math.max(from.x, to.x))];
    const [top, bottom] = [inside(Math.min(from.y, to.y)), inside(Math.max(from.y, to.y))];
    return [left, top, right - left, bottom - top];
  }
  play() {
    if (this.timer) { clearInterval(this.timer); this.timer = null; return; }
    const own = this.thumb.dataset.loop;
    const frames = this.thumbs.map((thumb, at) => at).filter((at) => own !== "0" && this.thumbs[at].dataset.loop === own);
    if (frames.length < 2) { say.textContent = "This picture is no loop."; return; }
    let step = Math.max(0, frames.indexOf(this.at));
    this.timer = setInterval(() => { step = (step + 1) % frames.length; this.pick(frames[step]); }, 120);
  }
}
function activate(number, focus = true) {
  if (!panels.length) { return; }
  active = (number + panels.length) % panels.length;
  if (focus) { panels[active].canvas.focus({ preventScroll: true }); }
}

async function answer(stage, reason) {
  if (busy || !token()) { return; }
  busy = true; say.textContent = "";
  const body = { token: token(), stage, comment: comment.value, reason: reason || "", seconds: (performance.now() - began) / 1000, boxes: moved };
  try {
    const stored = await post("answer", body);
    await next();
    say.textContent = stored.model ? "Stored: " + stage + ". The model thought: " + opinion(stored.model) : "Stored: " + stage + ".";
  } catch (error) {
    say.textContent = error.status ? "Not stored: " + error.message : "Not stored: the server cannot be reached. Try again; nothing is stored twice.";
    if (error.status === 409) { show(await fetchExam("")); }
  } finally { busy = false; }
}
const opinion = (model) => Object.entries(model).map(([name, p]) => name + " " + Math.round(p * 100) + " %").join(", ");

async function act(what) {
  if (busy) { return; }
  busy = true;
  try {
    if (what === "reset") { light.brightness.value = light.contrast.value = 0; panels.forEach((panel) => { panel.zoom = 1; panel.x = panel.y = 0; panel.draw(); }); return; }
    if (what === "skip") { await post("skip", { token: token() }); await next(); say.textContent = "Put off."; return; }
    const taken = await post("undo");
    if (taken.undone) { show(await fetchExam("")); say.textContent = "Your last answer is taken back; this is its exam."; } else { say.textContent = "There is nothing to take back."; }
  } catch (error) { say.textContent = error.message; } finally { busy = false; }
}
async function unusable() {
  const dialog = document.getElementById("why"), reason = document.getElementById("reason");
  reason.value = ""; dialog.returnValue = ""; dialog.showModal(); reason.focus();
  dialog.addEventListener("close", () => { if (dialog.returnValue === "ok") { answer("unusable", reason.value); } }, { once: true });
}
function choose(stage) { if (stage === "unusable") { unusable(); } else { answer(stage); } }

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) { return; }
  if (button.dataset.stage) { choose(button.dataset.stage); } else if (button.dataset.do) { act(button.dataset.do); }
});
for (const slider of Object.values(light)) { slider.addEventListener("input", () => panels.forEach((panel) => panel.draw())); }
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) { return; }
  const typing = event.target.matches("input:not([type=range]), textarea, select");
  if (typing) { if (event.key === "Escape" || event.key === "Enter") { event.preventDefault(); activate(active); } return; }
  const key = event.key.toLowerCase(), panel = panels[active], number = Number(event.key);
  const sliding = event.target.matches("input[type=range]") && key.startsWith("arrow");
  if (sliding) { return; }
  const deeds = {
    u: unusable, "?": () => answer("unsure"), s: () => act("skip"), z: () => act("undo"), c: () => comment.focus(),
    b: () => { document.body.classList.add("drawing"); say.textContent = "Drag a box on the picture."; },
    p: () => panel && panel.play(), "+": () => panel && panel.scale(1.2), "-": () => panel && panel.scale(1 / 1.2), r: () => act("reset"),
    arrowright: () => panel && panel.pick(panel.at + 1), arrowleft: () => panel && panel.pick(panel.at - 1),
    arrowdown: () => activate(active + 1), arrowup: () => activate(active - 1),
  };
  if (/^\d$/.test(event.key) && number < classes.length && !event.repeat) { event.preventDefault(); answer(classes[number]); }
  else if (deeds[key] && !(event.repeat && "usz?".includes(key))) { event.preventDefault(); deeds[key](); }
});
setInterval(async () => { if (!nothing.hidden && !busy) { const html = await fetchExam(""); if (html && !nothing.hidden) { show(html); } } }, 3000);
show(place.innerHTML.trim());
