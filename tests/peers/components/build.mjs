// Makes a component of app.js: `node build.mjs OUT`.
import { readFile, writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const source = await readFile(new URL("app.js", import.meta.url), "utf8");
const { component } = await componentize(source, {
  sourceName: "app.js",
  witWorld: "package local:app; world function {}",
  enableFeatures: ["http", "fetch-event"],
});
await writeFile(process.argv[2], component);
