// Runs a Worker by miniflare, Cloudflare's own simulator: `node miniflare.mjs worker.js PORT`, until its input ends.
import { readFileSync } from "node:fs";
import { Miniflare } from "miniflare";

const [file, port] = process.argv.slice(2);
const worker = new Miniflare({
  modules: true,
  script: readFileSync(file, "utf8"),
  compatibilityDate: "2026-01-01",
  host: "127.0.0.1",
  port: Number(port),
});
await worker.ready;
// It runs workerd as a process, which must not outlive it.
process.stdin.on("end", () => worker.dispose().then(() => process.exit(0))).resume();
