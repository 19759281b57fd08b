// The page's logic: read the chosen picture, ask the model, show the answers.

import { classify, openModel, wasIndexChanged } from "../model.mjs";

// ?model=model_int8.onnx behind the page's address has another file of the export answer.
const NAME = new URLSearchParams(location.search).get("model") ?? "model.onnx";
const MODEL = new URL(`../../${encodeURIComponent(NAME)}`, import.meta.url); // of that folder, and no other place
const INDEX = new URL("../../index.safetensors", import.meta.url);
const part = (id) => document.getElementById(id);

function say(words, isWrong = false) {
  part("state").textContent = words;
  part("state").classList.toggle("wrong", isWrong);
}

async function load() {
  const ort = await import("onnxruntime-web").catch(() => {
    throw new Error('onnxruntime-web is not installed. Run "npm install" in the folder of this page.');
  });
  const answer = await fetch(MODEL);
  if (!answer.ok) throw new Error(`${MODEL.pathname} is missing. Keep this folder where the export put it.`);
  return openModel(ort, new Uint8Array(await answer.arrayBuffer()), { executionProviders: ["wasm"] });
}

/** Read an answer of the server piece by piece; what is not asked for is not fetched. */
async function* pieces(answer) {
  const reader = answer.body.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel();
  }
}

/** Return a picture as upright RGB, transparent parts on white, as the model learned to see it. */
async function readPixels(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height).getContext("2d", { alpha: false, willReadFrequently: true });
  canvas.fillStyle = "white";
  canvas.fillRect(0, 0, width, height);
  canvas.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = canvas.getImageData(0, 0, width, height);
  const pixels = new Uint8Array(3 * width * height);
  for (let from = 0, to = 0; to < pixels.length; from += 4, to += 3) {
    pixels[to] = data[from];
    pixels[to + 1] = data[from + 1];
    pixels[to + 2] = data[from + 2];
  }
  return { pixels, width, height };
}

function row({ name, probability, isAssigned }) {
  const line = document.createElement("li");
  const [words, share, bar] = ["span", "span", "meter"].map((kind) => document.createElement(kind));
  words.textContent = name + (isAssigned ? "  ✓" : "");
  share.textContent = `${(100 * probability).toFixed(2)}%`;
  bar.value = probability;
  bar.ariaLabel = name;
  line.classList.toggle("assigned", isAssigned);
  line.append(words, share, bar);
  return line;
}

async function show(model, file) {
  part("answers").replaceChildren();
  part("unlike").hidden = true;
  part("picture").hidden = true;
  part("hint").hidden = false;
  say("Looking …");
  let picture;
  try {
    picture = await readPixels(file);
  } catch {
    return say(`${file.name} is no picture that this browser can read.`, true);
  }
  URL.revokeObjectURL(part("picture").src);
  part("picture").src = URL.createObjectURL(file);
  part("picture").hidden = false;
  part("hint").hidden = true;
  try {
    const began = performance.now();
    const answer = await classify(model, picture.pixels, picture.width, picture.height);
    const took = performance.now() - began;
    part("answers").replaceChildren(...answer.best.map(row));
    part("unlike").hidden = !answer.isUnlike;
    say(`${file.name}: ${picture.width} × ${picture.height} pixels, ${took.toFixed(0)} ms`);
  } catch (error) {
    say(`The model gave no answer: ${error.message}`, true);
  }
}

try {
  const model = await load();
  const drop = part("drop");
  let last = Promise.resolve(); // one picture at a time: a session answers one question at a time
  const ask = (file) => file && (last = last.then(() => show(model, file)));
  part("about").textContent = `${model.classNames.length} classes. Pictures are classified in this browser. None leaves it.`;
  part("file").disabled = false;
  part("file").addEventListener("change", (event) => ask(event.target.files[0]));
  for (const kind of ["dragover", "dragleave", "drop"])
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop") ask(event.dataTransfer.files[0]);
    });
  const index = await fetch(INDEX);
  const isOld = index.ok && (await wasIndexChanged(pieces(index)));
  say(isOld ? "The labelled pictures were changed since the export; only predict.py answers from them." : "Ready.", isOld);
} catch (error) {
  say(error.message, true);
}
