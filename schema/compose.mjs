// Composes subgraph schemas into a supergraph and prints it:
//
//   node compose.mjs [name=url=file ...]
//
// Without arguments: the subgraphs of this folder, at their default addresses. The gateway can be
// told other addresses, so these are only where a subgraph is looked for by default.

import { readFileSync } from "node:fs";
import { compositionHasErrors, composeServices } from "@theguild/federation-composition";
import { parse } from "graphql";

const defaults = [
  ["catalog", "http://127.0.0.1:4001/graphql"],
  ["booking", "http://127.0.0.1:4002/graphql"],
  ["user", "http://127.0.0.1:4003/graphql"],
].map(([name, url]) => ({ name, url, file: new URL(`${name}.graphql`, import.meta.url) }));

const given = process.argv.slice(2).map((argument) => {
  const [name, url, file] = argument.split("=");
  return { name, url, file };
});

const problems = [];
const services = [];
for (const { name, url, file } of given.length > 0 ? given : defaults) {
  try {
    services.push({ name, url, typeDefs: parse(readFileSync(file, "utf8")) });
  } catch (error) {
    problems.push(`${name}: ${error.message}`);
  }
}

if (problems.length === 0) {
  const result = composeServices(services);
  if (compositionHasErrors(result)) {
    for (const { message, extensions } of result.errors) {
      problems.push(extensions?.code ? `${extensions.code}: ${message}` : message);
    }
  } else {
    process.stdout.write(`${result.supergraphSdl.trim()}\n`);
  }
}

if (problems.length > 0) {
  console.error(`the subgraphs do not compose:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
  process.exitCode = 1;
}
