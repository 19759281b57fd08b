// A model.onnx of VisionFT in JavaScript: what it says of itself, and its answers. For node and browser alike.
//
// Class names and all that is needed to understand the answers stand in the file itself, so they cannot be mixed up.

const EXACT = { extra: { session: { x64quantprecision: "1" } } }; // int8 is exact on old processors too

/**
 * Open a model.
 * @param {object} ort The module onnxruntime-node or onnxruntime-web.
 * @param {Uint8Array} bytes The content of model.onnx, or of a smaller file beside it.
 * @param {object} [options] Of the session, such as {executionProviders: ["wasm"]}.
 */
export async function openModel(ort, bytes, options = {}) {
  const metadata = readMetadata(bytes);
  if (!metadata.class_names) throw new Error("it is no model that VisionFT exported");
  // With these bytes behind it, the file also tells how unlike the images of training an image is.
  const hidden = hexBytes(metadata.distance_output ?? "");
  const content = new Uint8Array(bytes.length + hidden.length);
  content.set(bytes);
  content.set(hidden, bytes.length);
  const session = await ort.InferenceSession.create(content, { ...EXACT, ...options });
  if (session.inputNames[0] !== "image")
    throw new Error("it takes images that are cropped, resized and normalised already; model.onnx does that itself");
  return {
    ort,
    session,
    outputs: hidden.length ? ["probabilities", "distance"] : ["probabilities"],
    classNames: JSON.parse(metadata.class_names),
    // An image may have several classes: each has a probability from which it is assigned.
    thresholds: JSON.parse(metadata.thresholds ?? "null"),
    metadata,
  };
}

/**
 * Answer for one image of any size; cropping, resizing and normalising happen inside the model.
 * @param {object} model What openModel returned.
 * @param {Uint8Array} pixels Upright RGB, row by row: 3 * width * height values.
 * @returns The best five as [{name, probability, isAssigned}], and whether it is unlike the images of training.
 */
export async function classify(model, pixels, width, height) {
  const image = new model.ort.Tensor("uint8", pixels, [1, height, width, 3]);
  const found = await model.session.run({ image }, model.outputs);
  const probabilities = Array.from(found.probabilities.data);
  const places = probabilities.map((_, place) => place).sort((a, b) => probabilities[b] - probabilities[a]);
  return {
    best: places.slice(0, 5).map((place) => ({
      name: model.classNames[place],
      probability: probabilities[place],
      isAssigned: model.thresholds !== null && probabilities[place] >= model.thresholds[place],
    })),
    isUnlike: found.distance !== undefined && found.distance.data[0] > 1,
    probabilities,
  };
}

/**
 * Tell whether index.safetensors, the labelled images beside a model, was changed after the export: then predict.py
 * answers from it, and the model alone answers otherwise.
 * @param {AsyncIterable<Uint8Array>} chunks Of the file; no more are read than needed.
 */
export async function wasIndexChanged(chunks) {
  let head = new Uint8Array();
  for await (const chunk of chunks) {
    const grown = new Uint8Array(head.length + chunk.length);
    grown.set(head);
    grown.set(chunk, head.length);
    head = grown;
    const length = head.length < 8 ? Infinity : Number(new DataView(head.buffer).getBigUint64(0, true));
    if (head.length < 8 + length) continue;
    const { added, removed = 0 } = JSON.parse(JSON.parse(text(head.subarray(8, 8 + length))).__metadata__.about);
    return added + removed > 0;
  }
  throw new Error("index.safetensors cannot be read");
}

/** Read an ONNX file's `metadata_props`: ONNX Runtime for JavaScript does not show them. */
function readMetadata(bytes) {
  const found = {};
  const METADATA_PROPS = 14; // the field's number in ModelProto; key and value are 1 and 2 of each
  for (const [field, content] of protobufFields(bytes)) {
    if (field !== METADATA_PROPS) continue;
    const entry = Object.fromEntries(protobufFields(content));
    found[text(entry[1])] = text(entry[2] ?? new Uint8Array());
  }
  return found;
}

/** Yield [number, content] of each field of a protobuf message that holds bytes, and pass over the others. */
function* protobufFields(bytes) {
  let place = 0;
  const number = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (place >= bytes.length || scale > 2 ** 63) throw new Error("it is no ONNX file, or the end of it is missing");
      const byte = bytes[place++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (place < bytes.length) {
    const tag = number();
    const kind = tag % 8;
    if (kind === 0) number();
    else if (kind === 1) place += 8;
    else if (kind === 5) place += 4;
    else if (kind === 2) {
      const length = number();
      if (place + length > bytes.length) throw new Error("it is no ONNX file, or the end of it is missing");
      yield [Math.floor(tag / 8), bytes.subarray(place, place + length)];
      place += length;
    } else throw new Error("it is no ONNX file");
  }
}

function text(bytes) {
  return new TextDecoder().decode(bytes);
}

function hexBytes(digits) {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
