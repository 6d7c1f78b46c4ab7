// The objects that are followed: a list beside the picture, and the requests to point at them and to forget them.
import { listen } from "./pointer.js";

const NOTE_MS = 8000, USED_MS = 2500;
const HINT = "Click: follow, or correct the chosen one. Shift-click or long press: take away. Drag: a box. U: undo. Del: forget.";

function element(parent, tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  parent.appendChild(made);
  return made;
}

// Builds the list in `section`, and lets a viewer point in `picture`. locate: returns the picture's number and the place in it
// for client coordinates. address: of a control. refresh: asks for the newest figures. Returns a function that shows them.
export function follow(section, picture, { locate, address, refresh }) {
  element(section, "h3", "", "OBJECTS");
  const list = element(section, "ul"), form = element(section, "div", "new"), label = element(form, "label", "", "new object");
  const input = element(label, "input"), undo = element(form, "button", "", "undo");
  element(section, "div", "hint", HINT);
  const note = element(picture, "div", "note");
  note.setAttribute("role", "status");
  input.maxLength = 60;
  undo.type = "button";
  undo.addEventListener("click", () => send("undo", {}));
  input.addEventListener("focus", () => choose(null));
  let told = null, chosen = null, sentAt = 0, waiting = 0, refusals = null;

  const cancel = listen(picture, { isOn: () => told !== null, locate, act: point });
  document.addEventListener("keydown", press);

  async function send(control, values) {
    try {
      const headers = { "Content-Type": "application/json" };
      const answer = await fetch(address(control), { method: "POST", headers, body: JSON.stringify(values) });
      say(answer.ok ? "" : await answer.text());
      refresh();
      return answer.ok;
    } catch (error) {
      say("rtseg cannot be reached: look whether it still runs");
      return false;
    }
  }

  async function point(kind, first, last) {
    const name = chosen ?? (input.value.trim() || told.next_name), place = kind === "box" ? box(first, last) : [first.x, first.y];
    if (!await send("prompt", { name, picture: last.picture, [kind]: place })) return;
    if (chosen === null) input.value = "";
    sentAt = performance.now();
    choose(name);
  }

  async function forget(name) {
    if (await send("forget", { name }) && chosen === name) choose(null);
  }

  function press(event) {
    if (!section.isConnected) document.removeEventListener("keydown", press);
    if (told === null || event.target.matches?.("input:not([type=checkbox]):not([type=range]), textarea, select")) return;
    const key = event.key.toLowerCase(), withControl = event.ctrlKey || event.metaKey;
    if (event.altKey || event.repeat) return;
    if ((key === "u" && !withControl) || (key === "z" && withControl && !event.shiftKey)) send("undo", {});
    else if ((key === "delete" || key === "backspace") && chosen !== null && !withControl) forget(chosen);
    else if (key === "escape") { cancel(); choose(null); }
    else return;
    event.preventDefault();
  }

  function say(text) {
    note.textContent = text;
    clearTimeout(waiting);
    waiting = text ? setTimeout(() => say(""), NOTE_MS) : 0;
  }

  function choose(name) {
    chosen = name;
    if (told) show(told);
  }

  function show(pointing) {
    told = pointing || null;
    tellRefusals();
    section.hidden = told === null;
    picture.classList.toggle("pointing", told !== null);
    if (told === null) return;
    const names = told.objects.map((one) => one.name);
    if (chosen !== null && !names.includes(chosen)) checkUsed();
    form.classList.toggle("chosen", chosen === null);
    input.placeholder = told.next_name;
    undo.disabled = !told.can_undo;
    while (list.children.length > names.length) list.lastChild.remove();
    told.objects.forEach((one, i) => fill(list.children[i] || row(list), one, one.name === chosen));
  }

  // What was accepted may still not fit the frame that it comes to; the session says why.
  function tellRefusals() {
    if (told === null) return;
    if (refusals !== null && told.refusals > refusals) say(told.refused);
    refusals = told.refusals;
  }

  // An object that was accepted, and is not among those of the frames that followed, was refused or forgotten.
  function checkUsed() {
    if (told.waiting || performance.now() - sentAt < USED_MS) return;
    if (sentAt && !note.textContent) say(`what you pointed at as ${chosen} could not be used, or was forgotten: point at it again`);
    chosen = null;
  }

  function row(parent) {
    const made = element(parent, "li"), pick = element(made, "button", "pick");
    element(pick, "span", "swatch");
    element(pick, "span", "name");
    element(pick, "span", "state");
    const drop = element(made, "button", "drop", "×");
    pick.type = drop.type = "button";
    pick.addEventListener("click", () => choose(chosen === made.dataset.name ? null : made.dataset.name));
    drop.addEventListener("click", () => forget(made.dataset.name));
    return made;
  }

  return show;
}

function fill(made, one, isChosen) {
  const [swatch, name, state] = made.firstChild.children;
  made.dataset.name = one.name;
  made.classList.toggle("chosen", isChosen);
  made.classList.toggle("lost", one.lost);
  made.firstChild.setAttribute("aria-pressed", isChosen);
  made.lastChild.setAttribute("aria-label", `forget ${one.name}`);
  made.lastChild.title = `forget ${one.name}`;
  swatch.style.background = one.colour;
  write(name, one.name);
  write(state, one.lost ? "LOST" : `${size(one)}   ${Math.round(100 * one.confidence)} %`);
}

function size(one) {
  return one.area_mm2 === null ? `${one.area_px} px` : `${one.area_mm2.toFixed(1)} mm²`;
}

function write(made, text) {
  if (made.textContent !== text) made.textContent = text;
}

function box(first, last) {
  const clip = (share) => Math.min(1, Math.max(0, share));
  const [left, right] = [first.x, last.x].map(clip).sort((a, b) => a - b), [top, bottom] = [first.y, last.y].map(clip).sort((a, b) => a - b);
  return [left, top, right - left, bottom - top];
}
