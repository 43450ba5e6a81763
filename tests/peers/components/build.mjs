// Makes a component of app.js: `node build.mjs OUT`.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { componentize } from "@bytecodealliance/componentize-js";

// The interfaces that come with jco, at the version that componentize-js's engine speaks.
const require = createRequire(import.meta.url);
const jco = dirname(dirname(require.resolve("@bytecodealliance/jco/component")));
const wasi = join(jco, "lib/wit/builtin/0.2.12");
let world = "package local:app;\nworld function { include wasi:http/proxy@0.2.10; }\n";
for (const name of await readdir(wasi)) {
  const text = (await readFile(join(wasi, name, "package.wit"), "utf8")).replaceAll("0.2.12", "0.2.10");
  world += text.replace(/^package ([^;]+);/, "package $1 {") + "}\n";
}

const source = await readFile(new URL("app.js", import.meta.url), "utf8");
const options = { sourceName: "app.js", witWorld: world, worldName: "function", enableFeatures: ["http", "fetch-event"] };
const { component } = await componentize(source, options);
await writeFile(process.argv[2], component);
