// Check custom resources against the schemas of their definitions, unknown fields included.
//   node check.mjs FOLDER_WITH_NODE_MODULES <objects.json     an array of objects
// Prints an array of [index, message]. Values are checked by the schemas, unknown fields by the types made from the same definitions.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const PACKAGES = {
  "argoproj.io": "argo-cd",
  "external-secrets.io": "external-secrets",
  "gateway.envoyproxy.io": "envoy-gateway",
  "gateway.networking.k8s.io": "gateway-api",
  "kafka.strimzi.io": "strimzi-kafka-operator",
  "keda.sh": "keda",
  "monitoring.coreos.com": "prometheus-operator",
  "postgresql.cnpg.io": "cloudnative-pg",
};
const folder = path.resolve(process.argv[2]);
const ts = createRequire(path.join(folder, "package.json"))("typescript");
const objects = JSON.parse(fs.readFileSync(0, "utf8"));
const found = [];

function model(object) {
  const [group, version] = object.apiVersion.split("/");
  const name = `@kubernetes-models/${PACKAGES[group]}/${group}/${version}/${object.kind}`;
  return fs.existsSync(path.join(folder, "node_modules", `${name}.js`)) ? name : undefined;
}

const source = [];
const lines = []; // which object a line of the source belongs to
for (const [index, object] of objects.entries()) {
  const name = model(object);
  if (!name) {
    found.push([index, `there is no schema for ${object.apiVersion} ${object.kind}`]);
    continue;
  }
  const module = await import(pathToFileURL(path.join(folder, "node_modules", `${name}.js`)));
  try {
    new module[object.kind](object).validate();
  } catch (error) {
    found.push([index, String(error.message)]);
  }
  const text = `import type { I${object.kind} as T${index} } from "${name}";\nexport const o${index}: T${index} = ${JSON.stringify(object, null, 1)};`;
  source.push(text);
  lines.push(...text.split("\n").map(() => index));
}

const file = path.join(folder, "objects.ts");
const options = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  types: [],
  lib: ["lib.esnext.d.ts"],
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
};
const host = ts.createCompilerHost(options);
const { fileExists, readFile, getSourceFile } = host;
host.fileExists = (name) => name === file || fileExists(name);
host.readFile = (name) => (name === file ? source.join("\n") : readFile(name));
host.getSourceFile = (name, ...rest) =>
  name === file ? ts.createSourceFile(name, source.join("\n"), ts.ScriptTarget.ESNext, true) : getSourceFile(name, ...rest);
for (const one of ts.getPreEmitDiagnostics(ts.createProgram([file], options, host))) {
  const message = ts.flattenDiagnosticMessageText(one.messageText, " ");
  const line = one.file?.fileName === file ? one.file.getLineAndCharacterOfPosition(one.start).line : undefined;
  found.push([line === undefined ? -1 : lines[line], message]);
}
console.log(JSON.stringify(found));
