// Classify images with model.onnx: node predict.mjs IMAGE...
//
// Another file of the export answers in its place: node predict.mjs --model model_int8.onnx IMAGE...
//
// Prints what predict.py prints. Keep this file where the export put it: the model lies two folders above.
// Needs Node.js 20.9 or newer, and once in this folder: npm install

import { createReadStream, existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../", import.meta.url));

/** Print one line that says what is wrong. */
function say(message) {
  console.error("predict.mjs:", message.split(/\s+/).join(" "));
}

/** Say what is wrong, and end the program. */
function stop(message) {
  say(message);
  process.exit(2);
}

/** Return an image as upright RGB, transparent parts on white, as the model learned to see it. */
async function readPixels(sharp, path) {
  const content = await readFile(path);
  const { data, info } = await sharp(content, { ignoreIcc: true, failOn: "truncated" })
    .autoOrient() // a camera held on its side says so in EXIF
    .flatten({ background: "white" })
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`it has ${info.channels} channels, not 3`);
  return { pixels: new Uint8Array(data.buffer, data.byteOffset, data.length), width: info.width, height: info.height };
}

let MODEL = join(FOLDER, "model.onnx");
const paths = process.argv.slice(2);
if (paths[0] === "-h" || paths[0] === "--help") {
  console.log("Classify images with model.onnx: node predict.mjs IMAGE...");
  process.exit(0);
}
const place = paths.indexOf("--model"); // before or behind the images
if (place >= 0) {
  const [, name] = paths.splice(place, 2);
  if (!name) stop("--model needs a file, such as: --model model_int8.onnx");
  MODEL = existsSync(name) ? resolve(name) : join(FOLDER, name); // as it is named, or beside model.onnx
}
const INDEX = join(dirname(MODEL), "index.safetensors");
if (!paths.length) stop("name one image or more, such as: node predict.mjs image.jpg");

let ort, sharp;
try {
  ort = (await import("onnxruntime-node")).default;
  sharp = (await import("sharp")).default;
} catch (error) {
  stop(`${error.message.split("\n")[0]}. Run "npm install" in ${fileURLToPath(new URL(".", import.meta.url))} first.`);
}
const { openModel, classify, wasIndexChanged } = await import("../model.mjs");

let model;
try {
  model = await openModel(ort, await readFile(MODEL));
} catch (error) {
  if (error.code === "ENOENT") stop(`${MODEL} is missing. Keep this file in the folder of the export.`);
  stop(`${MODEL} cannot be used (${error.message}). Export it again.`);
}
try {
  if (existsSync(INDEX) && (await wasIndexChanged(createReadStream(INDEX))))
    say("the labelled images beside the model were changed since the export: only predict.py answers from them.");
} catch (error) {
  stop(`${INDEX} cannot be read (${error.message}). Export it again, or take it away.`);
}

for (const path of paths) {
  let answer;
  try {
    const { pixels, width, height } = await readPixels(sharp, path);
    answer = await classify(model, pixels, width, height);
  } catch (error) {
    say(`${path}: ${error.code === "ENOENT" ? "there is no such file" : error.message}`);
    process.exitCode = 2;
    continue;
  }
  console.log(path + (answer.isUnlike ? "  (unlike the images of training: a guess)" : ""));
  for (const { name, probability, isAssigned } of answer.best) {
    console.log(`  ${(100 * probability).toFixed(2).padStart(6)}%  ${name}${isAssigned ? "  *" : ""}`);
  }
}
