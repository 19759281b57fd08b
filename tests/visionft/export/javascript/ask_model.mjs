// Ask a model in a JavaScript runtime: node ask_model.mjs PACKAGE SAMPLES MODEL PICTURES
// PICTURES is a JSON file: [[file of bare RGB bytes, width, height], ...]. Prints the probabilities of each as JSON.

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [name, samples, modelPath, picturesPath] = process.argv.slice(2);
const loaded = await import(name);
const { openModel, classify } = await import(pathToFileURL(`${samples}/model.mjs`));
const model = await openModel(loaded.default ?? loaded, new Uint8Array(await readFile(modelPath)));
const found = [];
for (const [file, width, height] of JSON.parse(await readFile(picturesPath))) {
  found.push((await classify(model, new Uint8Array(await readFile(file)), width, height)).probabilities);
}
console.log(JSON.stringify(found));
