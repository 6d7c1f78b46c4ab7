// A worker that plays MJPEG on a canvas, off the page's main thread, and always shows the newest image. In an <img>, Chromium
// delays an image until the header of the next part, skips many, and shows outdated ones.
const RETRY_MS = 700, MOST_BYTES = 1 << 25;

let canvas = null, address = "", request = new AbortController();

// The first message carries the canvas and the address; later messages carry a new address.
onmessage = ({ data }) => {
  address = data.address;
  request.abort();
  if (data.canvas) {
    canvas = data.canvas;
    play();
  }
};

async function play() {
  const show = painter();
  for (;;) {
    request = new AbortController();
    try {
      const answer = await fetch(address, { cache: "no-store", signal: request.signal });
      if (answer.ok) await receive(answer, show);
    } catch (error) {
      if (error.name !== "AbortError") console.info("the video broke off:", error.message);
    }
    if (!request.signal.aborted) await new Promise((done) => setTimeout(done, RETRY_MS));
  }
}

// Shows the last image when several arrive in one chunk.
async function receive(answer, show) {
  const [, boundary] = /boundary=(\S+)/.exec(answer.headers.get("Content-Type"));
  const reader = answer.body.getReader(), newest = splitter(`--${boundary}\r\nContent-Type: image/jpeg\r\n\r\n`);
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const jpeg = newest(value);
    if (jpeg) show(jpeg);
  }
}

// Returns a function that takes each chunk and returns the newest image that the chunk completes, or null. An image is
// complete when the header of the next part has arrived.
function splitter(text) {
  const head = new TextEncoder().encode(text);
  let held = new Uint8Array(1 << 18), length = 0;
  return (came) => {
    let jpeg = null, start = 0, from = Math.max(0, length - head.length + 1);
    held = withRoom(held, length, length + came.length);
    held.set(came, length);
    length += came.length;
    for (let at; (at = find(held, head, from, length)) >= 0; start = from = at + head.length) {
      jpeg = at > start ? held.slice(start, at) : jpeg;
    }
    held.copyWithin(0, start, length);
    length -= start;
    return jpeg;
  };
}

function withRoom(held, length, wanted) {
  if (wanted <= held.length) return held;
  if (wanted > MOST_BYTES) throw new RangeError("what is sent holds no picture that ends");
  const larger = new Uint8Array(2 * wanted);
  larger.set(held.subarray(0, length));
  return larger;
}

function find(held, head, from, length) {
  for (let at = held.indexOf(head[0], from); at >= 0 && at + head.length <= length; at = held.indexOf(head[0], at + 1)) {
    if (head.every((byte, i) => held[at + i] === byte)) return at;
  }
  return -1;
}

// Returns a function that decodes and shows images; of those that arrive during a decoding, only the last is shown.
function painter() {
  const context = canvas.getContext("2d", { alpha: false });
  let next = null, busy = false;
  return async (jpeg) => {
    next = jpeg;
    if (busy) return;
    busy = true;
    while (next) {
      const coded = new Blob([next], { type: "image/jpeg" }), number = numberOf(next);
      next = null;
      try {
        put(context, await createImageBitmap(coded), number);
      } catch (error) {
        console.info("a picture was left out:", error.message);
      }
    }
    busy = false;
  };
}

// Returns the number of the picture, which the server writes into a comment at the start of the JPEG; null without one.
function numberOf(jpeg) {
  if (jpeg[2] !== 0xff || jpeg[3] !== 0xfe) return null;
  const text = new TextDecoder().decode(jpeg.subarray(6, 4 + 256 * jpeg[4] + jpeg[5]));
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : null;
}

function put(context, picture, number) {
  const { width, height } = picture;
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  context.drawImage(picture, 0, 0);
  picture.close();
  postMessage({ width, height, number });
}
