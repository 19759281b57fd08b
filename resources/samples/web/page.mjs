// The page's logic: read the chosen image, ask the model, show the answers.

import { classify, openModel, wasIndexChanged } from "../model.mjs";
import { isAsRecorded } from "./check.mjs";

// ?model=model_int8.onnx behind the page's address has another file of the export answer; &device=wasm or webgpu
// chooses where it is computed.
const OPTIONS = new URLSearchParams(location.search);
const NAME = OPTIONS.get("model") ?? "model.onnx";
const DEVICE = OPTIONS.get("device");
const MODEL = new URL(`../../${encodeURIComponent(NAME)}`, import.meta.url); // of that folder, and no other place
const RECORD = new URL("../../export.json", import.meta.url);
// ONNX Runtime for browsers: beside the page where the export brought it, else where npm puts it.
const PLACES = ["./runtime/", "./node_modules/onnxruntime-web/dist/"];
const INDEX = new URL("../../index.safetensors", import.meta.url);
const part = (id) => document.getElementById(id);

function say(words, isWrong = false) {
  part("state").textContent = words;
  part("state").classList.toggle("wrong", isWrong);
}

async function runtime(kind) {
  for (const place of PLACES) {
    const found = await import(`${place}ort.${kind}.bundle.min.mjs`).catch(() => null);
    if (found) return found;
  }
  throw new Error('onnxruntime-web is not installed. Run "npm install" in the folder of this page.');
}

/** Tell whether there is a graphics card to compute with: WebGPU by the processor is slow, and has no int8. */
async function hasGraphicsCard() {
  const adapter = DEVICE === "wasm" ? null : await navigator.gpu?.requestAdapter();
  return adapter && (DEVICE === "webgpu" || !(adapter.info.isFallbackAdapter || NAME.includes("int8")));
}

/** Open the model on the processor, or by WebGPU. */
async function open(kind) {
  const answer = await fetch(MODEL);
  if (!answer.ok) throw new Error(`${MODEL.pathname} is missing. Keep this folder where the export put it.`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const model = await openModel(await runtime(kind), bytes, { executionProviders: [kind] });
  return { ...model, device: kind === "wasm" ? "WebAssembly" : "WebGPU" };
}

/** Open the model on the graphics card where it answers there as recorded at export; else on the processor. */
async function load() {
  if (!(await hasGraphicsCard())) return open("wasm");
  try {
    const model = await open("webgpu");
    const record = await (await fetch(RECORD)).json();
    if (await isAsRecorded(model, record.reference[NAME])) return model;
    console.warn("WebGPU answers otherwise than recorded at export; the processor answers in its place.");
    await model.session.release();
  } catch (error) {
    console.warn(`WebGPU cannot run the model (${error.message}); the processor answers in its place.`);
  }
  return open("wasm");
}

/** Classify an image; on the processor from now on where the graphics card cannot, such as for want of memory. */
async function ask(model, { pixels, width, height }) {
  try {
    return await classify(model, pixels, width, height);
  } catch (error) {
    if (model.device === "WebAssembly") throw error;
    Object.assign(model, await open("wasm"));
    return classify(model, pixels, width, height);
  }
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

/** Return an image as upright RGB, transparent parts on white, as the model learned to see it. */
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
  part("is-unlike").hidden = true;
  part("image").hidden = true;
  part("hint").hidden = false;
  say("Looking …");
  let image;
  try {
    image = await readPixels(file);
  } catch {
    return say(`${file.name} is no image that this browser can read.`, true);
  }
  URL.revokeObjectURL(part("image").src);
  part("image").src = URL.createObjectURL(file);
  part("image").hidden = false;
  part("hint").hidden = true;
  try {
    const began = performance.now();
    const answer = await ask(model, image);
    const took = performance.now() - began;
    part("answers").replaceChildren(...answer.best.map(row));
    part("is-unlike").hidden = !answer.isUnlike;
    say(`${file.name}: ${image.width} × ${image.height} pixels, ${took.toFixed(0)} ms by ${model.device}`);
  } catch (error) {
    say(`The model gave no answer: ${error.message}`, true);
  }
}

try {
  const model = await load();
  const drop = part("drop");
  let last = Promise.resolve(); // one image at a time: a session answers one question at a time
  const take = (file) => file && (last = last.then(() => show(model, file)));
  part("about").textContent = `${model.classNames.length} classes. Images are classified in this browser. None leaves it.`;
  part("file").disabled = false;
  part("file").addEventListener("change", (event) => take(event.target.files[0]));
  for (const kind of ["dragover", "dragleave", "drop"])
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files[0]);
    });
  const index = await fetch(INDEX);
  const isOld = index.ok && (await wasIndexChanged(pieces(index)));
  say(isOld ? "The labelled images were changed since the export; only predict.py answers from them." : `Ready: ${model.device}.`, isOld);
} catch (error) {
  say(error.message, true);
}
