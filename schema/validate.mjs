// Checks that every operation of a file is valid for what clients see of a supergraph, which is
// the supergraph without its federation directives and without what is @inaccessible:
//
//   node validate.mjs supergraph.graphql operations.graphql

import { readFileSync } from "node:fs";
import { transformSupergraphToPublicSchema } from "@theguild/federation-composition";
import { buildASTSchema, Kind, parse, Source, specifiedRules, validate } from "graphql";

const [supergraphFile, operationsFile] = process.argv.slice(2);
const supergraph = parse(readFileSync(supergraphFile, "utf8"));
const schema = buildASTSchema(transformSupergraphToPublicSchema(supergraph));
const document = parse(new Source(readFileSync(operationsFile, "utf8"), operationsFile));

// Clients send one operation at a time, so each is validated with the fragments alone.
const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);
const operations = document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
const rules = specifiedRules.filter(({ name }) => name !== "NoUnusedFragmentsRule");

const problems = operations.flatMap((operation) => {
  const alone = { kind: Kind.DOCUMENT, definitions: [operation, ...fragments] };
  return validate(schema, alone, rules).map(({ message, locations }) => {
    const line = locations?.[0]?.line ?? operation.loc.startToken.line;
    return `${operationsFile}:${line}: ${operation.name?.value ?? "(unnamed)"}: ${message}`;
  });
});

if (problems.length > 0) {
  console.error(`operations that clients use are not valid any more:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
  process.exitCode = 1;
}
