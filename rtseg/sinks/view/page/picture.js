// The display of a stream's image: on a canvas that a worker draws to, or in an <img> for browsers without offscreen canvases.
const RETRY_MS = 700, SETTLED_MS = 300;
const SLIGHT = 1.15;  // smaller enlargements are skipped: they show no more, and cost a browser without a GPU a quarter of its work
const CAN_PLAY = "transferControlToOffscreen" in HTMLCanvasElement.prototype && "createImageBitmap" in window;

// Shows the video at an address inside the element `place`. Returns { end, locate }: `locate` returns the number of the picture
// that is shown and a place in it, in shares of its width and height, for client coordinates; null while there is none.
export function watch(place, address) {
  return CAN_PLAY ? watchOnCanvas(place, address) : watchInImage(place, address);
}

function watchOnCanvas(place, address) {
  const canvas = put(place, "canvas");
  const worker = new Worker(new URL("player.js", import.meta.url)), offscreen = canvas.transferControlToOffscreen();
  let size = null, number = null, asked = "", waiting = 0;

  function ask(transferred) {
    const wanted = withRoom(address, place);
    if (wanted !== asked) worker.postMessage({ address: wanted, canvas: transferred }, transferred ? [transferred] : []);
    asked = wanted;
  }

  function fit() {
    if (size) lay(canvas, size, place);
    clearTimeout(waiting);
    waiting = setTimeout(ask, SETTLED_MS);
  }

  worker.addEventListener("message", ({ data }) => {
    const isSame = size && size.width === data.width && size.height === data.height;
    [size, number] = [data, data.number];
    if (!isSame) fit();
  });
  ask(offscreen);
  const observer = new ResizeObserver(fit);
  observer.observe(place);
  function end() {
    observer.disconnect();
    clearTimeout(waiting);
    worker.terminate();
    canvas.remove();
  }

  return { end, locate: (x, y) => (size ? { picture: number, ...shares(canvas.getBoundingClientRect(), x, y) } : null) };
}

// Inserts an element behind the text that is written over the image.
function put(place, tag) {
  const made = document.createElement(tag);
  place.prepend(made);
  return made;
}

// Adds the element's size to the address: the server shrinks larger images to it.
function withRoom(address, place) {
  const asked = new URL(address), [width, height] = pixels(place);
  asked.searchParams.set("room", `${width}x${height}`);
  return asked.href;
}

function pixels(place) {
  return [place.clientWidth, place.clientHeight].map((side) => Math.max(16, Math.floor(side * devicePixelRatio)));
}

// Lays the canvas out in the center, on whole pixels, as large as fits.
function lay(canvas, size, place) {
  const [width, height] = pixels(place), most = Math.min(width / size.width, height / size.height);
  const scale = most >= 1 && most < SLIGHT ? 1 : most;
  const css = (side) => `${side / devicePixelRatio}px`;
  canvas.style.width = css(Math.round(size.width * scale));
  canvas.style.height = css(Math.round(size.height * scale));
  canvas.style.left = css(Math.round((width - size.width * scale) / 2));
  canvas.style.top = css(Math.round((height - size.height * scale) / 2));
}

function watchInImage(place, address) {
  const image = put(place, "img");
  const load = () => { image.src = `${address}${address.includes("?") ? "&" : "?"}at=${Date.now()}`; };
  let waiting = 0;
  image.alt = "";
  image.addEventListener("error", () => { waiting = setTimeout(load, RETRY_MS); });
  load();

  function end() {
    clearTimeout(waiting);
    image.src = "";
    image.remove();
  }

  function locate(x, y) {
    if (!image.naturalWidth) return null;
    const { left, top, width, height } = image.getBoundingClientRect();
    const scale = Math.min(width / image.naturalWidth, height / image.naturalHeight);  // object-fit: contain
    const inner = { width: image.naturalWidth * scale, height: image.naturalHeight * scale };
    const shown = { left: left + (width - inner.width) / 2, top: top + (height - inner.height) / 2, ...inner };
    return { picture: null, ...shares(shown, x, y) };
  }

  return { end, locate };
}

function shares(box, x, y) {
  return { x: (x - box.left) / box.width, y: (y - box.top) / box.height };
}
