// Whether a model answers here as it did at export: graphics cards and their drivers differ.

import { classify } from "../model.mjs";

const NEAR = 0.01;
// Height and width of the images that the export made by integer arithmetic and recorded the answers to.
const SIZES = [
  [64, 48],
  [120, 200],
];

/** Compare the answers to the first recorded images. */
export async function isAsRecorded(model, reference) {
  for (const [place, [height, width]] of SIZES.entries()) {
    const { probabilities } = await classify(model, recordedImage(place + 1, height, width), width, height);
    const differences = probabilities.map((each, at) => Math.abs(each - reference[place][at]));
    if (!(Math.max(...differences) <= NEAR)) return false; // not a number either
  }
  return true;
}

/** Return the pixels of image `number`: ramps, a chequerboard and stripes, mixed differently in each. */
function recordedImage(number, height, width) {
  const pixels = new Uint8Array(3 * width * height);
  for (let down = 0, at = 0; down < height; down++) {
    for (let across = 0; across < width; across++) {
      const ramp = Math.floor((across * 255) / Math.max(1, width - 1));
      const squares = (Math.floor(across / (3 + number)) + Math.floor(down / (5 + number))) % 2;
      const field = squares * (90 + 30 * number) + Math.floor((down * 160) / height);
      const stripes = ((across * number + down * (number + 2)) % 256) + Math.floor(ramp / number);
      const planes = [ramp, field % 256, stripes % 256];
      for (let colour = 0; colour < 3; colour++) pixels[at++] = planes[(colour + number) % 3];
    }
  }
  return pixels;
}
