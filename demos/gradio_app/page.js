// Keyboard shortcuts, the browser's camera, uploads, and a message to the server when the tab is closed.
(() => {
  "use strict";
  const HEIGHT = 480, WIDTH = 640, PERIOD_MS = 40;
  const KEYS = { " ": "#rtseg-pause", r: "#rtseg-reset", o: "#rtseg-masks input", m: "#rtseg-memory input" };
  let camera = null;

  const base = () => document.querySelector(".rtseg-live")?.dataset.base;

  function press(selector) {
    const found = document.querySelector(selector);
    (found?.querySelector("button") || found)?.click();
  }

  function isWriting(target) {
    return target.isContentEditable || ["TEXTAREA", "SELECT"].includes(target.tagName)
      || (target.tagName === "INPUT" && !["checkbox", "radio", "range"].includes(target.type));
  }

  document.addEventListener("keydown", (event) => {
    const selector = KEYS[event.key.toLowerCase()];
    if (!selector || event.ctrlKey || event.altKey || event.metaKey || event.repeat || isWriting(event.target)) return;
    event.preventDefault();
    if (document.activeElement && document.activeElement !== document.body) document.activeElement.blur();
    press(selector);
  });

  function grey(context) {
    const coloured = context.getImageData(0, 0, WIDTH, HEIGHT).data, pixels = new Uint8Array(WIDTH * HEIGHT);
    for (let i = 0, j = 0; i < pixels.length; i += 1, j += 4) {
      pixels[i] = (77 * coloured[j] + 150 * coloured[j + 1] + 29 * coloured[j + 2]) >> 8;
    }
    return pixels;
  }

  // Sends one image at a time: while the server is busy, newer images are not sent.
  async function send(running) {
    const video = document.createElement("video"), canvas = document.createElement("canvas");
    video.srcObject = running.stream;
    video.muted = true;
    await video.play();
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    while (camera === running && base()) {
      const due = performance.now() + PERIOD_MS;
      const scale = Math.max(WIDTH / video.videoWidth, HEIGHT / video.videoHeight);
      const width = video.videoWidth * scale, height = video.videoHeight * scale;
      context.drawImage(video, (WIDTH - width) / 2, (HEIGHT - height) / 2, width, height);
      const answer = await fetch(`${base()}camera`, { method: "POST", body: grey(context) });
      if (!answer.ok) break;
      await new Promise((done) => setTimeout(done, Math.max(0, due - performance.now())));
    }
    stop(running);
  }

  function stop(running) {
    running.stream.getTracks().forEach((track) => track.stop());
    if (camera === running) camera = null;
  }

  window.rtsegCamera = async (wanted) => {
    if (camera) stop(camera);
    if (!wanted) return;
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: WIDTH }, height: { ideal: HEIGHT } } });
    camera = { stream };
    send(camera);
  };

  // Uploads a file to the demo's own route; no Gradio event names it.
  function upload(input) {
    const [file] = input.files, label = input.closest("label"), status = label.nextElementSibling, request = new XMLHttpRequest();
    input.value = "";
    if (!file) return;
    if (!base()) { status.textContent = "the page is not ready yet: try again"; return; }
    const done = (text) => { status.textContent = text; input.disabled = false; };
    input.disabled = true;
    request.upload.onprogress = (event) => { status.textContent = `uploading, ${Math.round(100 * event.loaded / event.total)} %`; };
    request.onerror = () => done("the upload was cut: try again");
    request.onload = () => {
      if (request.status !== 204) { done(request.responseText); return; }
      window.rtsegUploaded = `${file.name}, ${(file.size / 1e6).toFixed(1)} MB`;
      done(window.rtsegUploaded);
      press(`#${input.dataset.done}`);
    };
    request.open("POST", `${base()}upload`);
    request.send(file);
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches?.(".rtseg-upload input")) upload(event.target);
  });

  window.addEventListener("pagehide", () => { if (base()) navigator.sendBeacon(`${base()}close`); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
