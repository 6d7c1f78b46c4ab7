// Fills each <div class="rtseg-live" data-base="..."> with a stream's live image and statistics, and updates them.
// The page is built from elements and text nodes only: no text of a stream is ever parsed as HTML.
import { follow } from "./objects.js";
import { watch } from "./picture.js";

const POLL_MS = 500, RETRY_MS = 700, SOON_MS = 120;
const STATES = { HELD: "FROZEN", LOST: "NO CONTACT" };

function element(parent, tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  parent.appendChild(made);
  return made;
}

function fixed(value, digits, unit) {
  return value === null || value === undefined ? "–" : value.toFixed(digits) + (unit ? " " + unit : "");
}

// Unchanged rows are not touched: layout and painting of a table cost more than the rest of an update.
function rows(table, pairs) {
  const names = pairs.map(([name, , colour]) => name + colour).join();
  if (table.dataset.names !== names) build(table, pairs);
  table.dataset.names = names;
  pairs.forEach(([, value], i) => write(table.rows[i].lastChild, value));
}

function build(table, pairs) {
  table.replaceChildren();
  for (const [name, , colour] of pairs) {
    const row = element(table, "tr"), cell = element(row, "td");
    if (colour) element(cell, "span", "swatch").style.background = colour;
    cell.append(name);
    element(row, "td");
  }
}

function write(made, text) {
  if (made.textContent !== text) made.textContent = text;
}

function size(item) {
  const area = item.area_mm2 === null ? item.area_px + " px" : fixed(item.area_mm2, 1, "mm²");
  const across = item.diameter_mm === null ? fixed(item.diameter_px, 0, "px") : fixed(item.diameter_mm, 1, "mm");
  return item.area_px ? area + "   ⌀ " + across : "–";
}

function measured(item) {
  if (item.value === null) return `withheld: ${item.withheld}`;
  const unit = item.unit || "", known = item.low !== null && item.high !== null;
  return fixed(item.value, 1, unit) + (known ? `   ${fixed(item.low, 1)} to ${fixed(item.high, 1)}` : "");
}

// A measure, whether its frame is fit to be measured, and the best frame so far.
function measuredRows(item) {
  const all = [[item.title, measured(item)]];
  if (item.unfit) all.push(["", `not fit: ${item.unfit}`]);
  if (item.best) all.push(["best so far", `${fixed(item.best.value, 1, item.unit || "")}   frame ${item.best.index}`]);
  return all;
}

function beatRows(cycle) {
  if (!cycle || (cycle.heart_rate === null && !Object.keys(cycle.latest).length)) return [];
  const moments = Object.entries(cycle.latest).sort((one, other) => one[1] - other[1]);
  return [
    ["heart rate", cycle.heart_rate === null ? "–" : fixed(cycle.heart_rate, 0, "/ min")],
    ...moments.map(([moment, index]) => [`newest ${moment}`, `frame ${index}`]),
  ];
}

// Adds to each object the color and the area that are those of its class.
function withColours(pointing, classes) {
  const known = new Map(classes.map((item) => [item.name, item]));
  const objects = pointing.objects.map((one) => ({ area_mm2: null, ...one, ...pick(known.get(one.name)) }));
  return { ...pointing, objects };
}

function pick(item) {
  return item ? { colour: item.colour, area_mm2: item.area_mm2 } : { colour: "transparent" };
}

function bars(table, stages) {
  const told = Object.entries(stages), most = Math.max(1, ...Object.values(stages));
  rows(table, told.map(([name, ms]) => [name, fixed(ms, 2)]));
  told.forEach(([, ms], i) => {
    const cell = table.rows[i].firstChild, bar = cell.querySelector(".bar") || element(cell, "span", "bar");
    bar.style.width = Math.round(100 * (ms || 0) / most) + "%";
  });
}

function draw(svg, label, curve, classes) {
  const drawing = "http://www.w3.org/2000/svg";
  svg.replaceChildren();
  if (!curve) return;
  const seen = Object.values(curve.areas).flat().filter((area) => area !== null);
  const low = Math.min(...seen), high = Math.max(...seen), span = Math.max(high - low, high * 0.05, 1e-9);
  for (const item of classes) {
    const line = document.createElementNS(drawing, "path");
    let path = "", pen = "M";
    (curve.areas[item.name] || []).forEach((area, i) => {
      if (area === null) { pen = "M"; return; }
      path += pen + (1000 + 100 * curve.seconds[i]).toFixed(1) + " " + (92 - 66 * (area - low) / span).toFixed(1);
      pen = "L";
    });
    line.setAttribute("d", path);
    line.setAttribute("fill", "none");
    line.setAttribute("stroke", item.colour);
    line.setAttribute("stroke-width", "1.5");
    line.setAttribute("vector-effect", "non-scaling-stroke");
    svg.appendChild(line);
  }
  const digits = curve.unit === "px" ? 0 : 1;
  label.textContent = seen.length
    ? `area over the last 10 s: ${low.toFixed(digits)} to ${high.toFixed(digits)} ${curve.unit}` : "area over the last 10 s";
}

function mount(root) {
  root.dataset.on = "yes";
  const base = root.dataset.base, query = location.search;
  const picture = element(root, "div", "picture"), panel = element(root, "div", "panel");
  const message = element(picture, "div", "message");
  element(picture, "div", "notice", "research software, not a medical device");
  const life = element(panel, "div", "life"), reason = element(panel, "div", "reason");
  const objects = element(panel, "div", "objects"), speed = element(panel, "table");
  element(panel, "h3", "", "MEASURED");
  const familiarity = element(panel, "table"), classes = element(panel, "table");
  const measures = element(panel, "table");
  element(panel, "h3", "", "STAGES, ms (median)");
  const stages = element(panel, "table");
  const curve = element(root, "div", "curve"), label = element(curve, "div", "label");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 1000 100");
  svg.setAttribute("preserveAspectRatio", "none");
  curve.appendChild(svg);

  function show(told) {
    const state = told.life || "";
    write(life, STATES[state] || state || "–");
    life.className = "life" + (told.unfamiliar || told.doubt || (state && state !== "LIVE") ? " odd" : "");
    const unfamiliar = told.unfamiliar ? "UNFAMILIAR PICTURE: its mask is not to be relied on" : "";
    const doubt = told.doubt ? `ANSWER IN DOUBT: ${told.doubt}` : "";
    write(reason, [unfamiliar, doubt, told.reason].filter(Boolean).join("; "));
    write(message, told.message || "");
    rows(speed, [
      ["frames per second", fixed(told.fps, 1)],
      ["latency p50", fixed(told.p50_ms, 1, "ms")],
      ["latency p99", fixed(told.p99_ms, 1, "ms")],
      ["age when sent", fixed(told.age_ms, 1, "ms")],
      ["dropped", fixed(told.dropped, 0)],
      ["late", fixed(told.late, 0)],
      ["redaction", told.redaction ? `${told.redaction.mode}, sector ${told.redaction.sector}` : "–"],
      ["withheld / exposed", told.redaction ? `${told.redaction.withheld} / ${told.redaction.exposed}` : "–"],
    ]);
    showObjects(told.pointing && withColours(told.pointing, told.classes || []));
    rows(familiarity, [["familiarity", told.familiarity == null ? "unknown" : fixed(told.familiarity, 2)]]);
    rows(classes, (told.pointing ? [] : told.classes || []).map((item) => [item.name, size(item), item.colour]));
    rows(measures, [...(told.measures || []).flatMap(measuredRows), ...beatRows(told.cycle)]);
    bars(stages, told.stages_ms || {});
    draw(svg, label, told.curve, told.classes || []);
  }

  async function refresh() {
    const answer = await fetch(`${base}figures${query}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(await answer.text());
    show(await answer.json());
  }

  async function poll() {
    if (!root.isConnected) {
      video.end();
      return;
    }
    let wait = POLL_MS;
    try {
      await refresh();
      if (broken) watchAnew();
      broken = false;
    } catch (error) {
      broken = true;
      wait = RETRY_MS;
      message.textContent = error instanceof TypeError ? "The stream is over, or rtseg was stopped." : error.message;
    }
    setTimeout(poll, wait);
  }

  function watchAnew() {
    video.end();
    video = watch(picture, new URL(`${base}video${query}`, document.baseURI).href);
  }

  let broken = false, video = { end() {}, locate: () => null };
  const showObjects = follow(objects, picture, {
    locate: (x, y) => video.locate(x, y),
    address: (control) => `${base}${control}${query}`,
    refresh: () => setTimeout(() => refresh().catch(() => {}), SOON_MS),
  });
  window.addEventListener("pagehide", () => video.end());
  window.addEventListener("pageshow", (event) => { if (event.persisted) watchAnew(); });
  watchAnew();
  poll();
}

function mountAll() {
  document.querySelectorAll(".rtseg-live:not([data-on])").forEach(mount);
}

mountAll();
new MutationObserver(mountAll).observe(document.documentElement, { childList: true, subtree: true });
