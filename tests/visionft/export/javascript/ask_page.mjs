// Open the sample page in headless Chromium and give it pictures: node ask_page.mjs CHROMIUM URL SCREENSHOT PICTURE...
// Prints one JSON line a picture: what the page says, and its answers. Beside playwright-core's node_modules only.
// With WEBGPU=1 in the environment the browser has WebGPU, computed by the processor; else it has none.

import { chromium } from "playwright-core";

const [executablePath, url, screenshot, ...pictures] = process.argv.slice(2);
const webgpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];
const graphics = process.env.WEBGPU ? webgpu : ["--disable-gpu"];
const args = ["--no-sandbox", ...graphics, "--disable-quic", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath, args: [...args, "--disable-component-update", "--disable-sync"] });
const page = await browser.newPage({ viewport: { width: 1100, height: 720 } });
const complaints = [];
page.on("pageerror", (error) => complaints.push(String(error)));
await page.goto(url);
const settled = () =>
  page.waitForFunction(() => !/ …$/.test(document.querySelector("#state").textContent), null, {
    timeout: 120_000,
  });
await settled();
const read = () =>
  page.evaluate(() => ({
    state: document.querySelector("#state").textContent,
    isUnlike: !document.querySelector("#is-unlike").hidden,
    answers: [...document.querySelectorAll("#answers li")].map((line) => [
      line.querySelector("span").textContent,
      line.querySelector("meter").value,
    ]),
  }));
if (!pictures.length) console.log(JSON.stringify({ ...(await read()), complaints }));
for (const picture of pictures) {
  await page.evaluate(() => (document.querySelector("#state").textContent = "Looking …"));
  await page.setInputFiles("#file", picture);
  await settled();
  console.log(JSON.stringify({ ...(await read()), complaints }));
}
await page.waitForTimeout(200);
await page.screenshot({ path: screenshot });
await browser.close();
