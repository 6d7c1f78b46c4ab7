// Gestures on the picture: a click or tap, a shift-click or long press, and the drag of a box, by mouse, pen and touch alike.
const DRAG_PX = 6, LONG_PRESS_MS = 500, MARK_MS = 700;

// Calls act(kind, first, last) with kind "point", "other_point" or "box", and the places of its corners as `locate` returns
// them for client coordinates. Nothing happens while isOn() is false.
export function listen(place, { isOn, locate, act }) {
  let gesture = null;

  function begin(event) {
    if (gesture) {  // a second finger: this is no pointing
      cancel();
      return;
    }
    if (!isOn() || event.button !== 0 || !event.isPrimary || event.target.closest("button, input, a")) return;
    place.setPointerCapture(event.pointerId);
    gesture = { id: event.pointerId, x: event.clientX, y: event.clientY, first: locate(event.clientX, event.clientY) };
    if (event.pointerType !== "mouse") gesture.timer = setTimeout(() => finish("other_point", gesture), LONG_PRESS_MS);
    event.preventDefault();
    document.activeElement?.blur();
  }

  function move(event) {
    if (!gesture || event.pointerId !== gesture.id) return;
    if (!gesture.box && Math.hypot(event.clientX - gesture.x, event.clientY - gesture.y) < DRAG_PX) return;
    clearTimeout(gesture.timer);
    gesture.box ??= put(place, "drag");
    lay(gesture.box, place, gesture, event);
  }

  function end(event) {
    if (!gesture || event.pointerId !== gesture.id) return;
    const last = gesture.box ? locate(event.clientX, event.clientY) : gesture.first;
    finish(gesture.box ? "box" : event.shiftKey ? "other_point" : "point", gesture, last);
  }

  function finish(kind, done, last = done.first) {
    if (kind !== "box") mark(place, kind, done);
    cancel();
    if (done.first && last) act(kind, done.first, last);
  }

  function cancel() {
    clearTimeout(gesture?.timer);
    gesture?.box?.remove();
    gesture = null;
  }

  place.addEventListener("pointerdown", begin);
  place.addEventListener("pointermove", move);
  place.addEventListener("pointerup", end);
  place.addEventListener("pointercancel", cancel);
  place.addEventListener("contextmenu", (event) => { if (isOn()) event.preventDefault(); });  // it follows a long press
  return cancel;
}

function put(place, name) {
  const made = document.createElement("div");
  made.className = name;
  place.appendChild(made);
  return made;
}

function lay(box, place, from, to) {
  const { left, top } = place.getBoundingClientRect();
  box.style.left = `${Math.min(from.x, to.clientX) - left}px`;
  box.style.top = `${Math.min(from.y, to.clientY) - top}px`;
  box.style.width = `${Math.abs(to.clientX - from.x)}px`;
  box.style.height = `${Math.abs(to.clientY - from.y)}px`;
}

// Shows for a moment where somebody pointed.
function mark(place, kind, at) {
  const made = put(place, `mark ${kind}`), { left, top } = place.getBoundingClientRect();
  made.style.left = `${at.x - left}px`;
  made.style.top = `${at.y - top}px`;
  setTimeout(() => made.remove(), MARK_MS);
}
