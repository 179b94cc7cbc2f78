// Runs the audits of graphql-http (https://github.com/graphql/graphql-http#servers-compliance) against
// the endpoint that is given, prints what each came to, and fails when one that must pass, or should,
// does not.

import { auditServer } from "graphql-http";

const [url] = process.argv.slice(2);
if (!url) {
  console.error("usage: node audit.mjs http://127.0.0.1:4000/graphql");
  process.exit(2);
}

const results = await auditServer({ url });
let failed = 0;
for (const { name, status, reason } of results) {
  const binding = name.startsWith("MUST") || name.startsWith("SHOULD");
  if (status === "error" || (status === "warn" && binding)) failed += 1;
  console.log(`${status.padEnd(6)} ${name}${reason ? `: ${reason}` : ""}`);
}
const count = (wanted) => results.filter(({ status }) => status === wanted).length;
console.log(`${count("ok")} ok, ${count("notice")} notices, ${count("warn")} warnings, ${count("error")} errors`);
process.exit(failed === 0 ? 0 : 1);
