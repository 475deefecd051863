// Asks croner and cron-parser the questions and writes their answers beside this file.
//   npm install croner@11 cron-parser@5   (in a scratch folder)
//   node record.mjs SCRATCH_FOLDER
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";

const scratch = resolve(process.argv[2]);
const require = createRequire(pathToFileURL(join(scratch, "x.js")));
const here = new URL(".", import.meta.url);
const questions = JSON.parse(readFileSync(new URL("questions.json", here)));
const { Cron } = require("croner");
const { CronExpressionParser } = require("cron-parser");
const COUNT = 4;

// One line an answer: Unix seconds; null is a refusal, or more than a second of silence.
function write(name, asked, ask) {
  const version = JSON.parse(
    readFileSync(join(scratch, "node_modules", name, "package.json")),
  ).version;
  const answers = asked.map((question) => {
    try {
      return runInNewContext("ask()", { ask: () => ask(question) }, { timeout: 1000 });
    } catch {
      return null;
    }
  });
  const lines = answers.map((answer) => JSON.stringify(answer)).join(",\n");
  const text = `{"version": "${version}", "answers": [\n${lines}\n]}\n`;
  writeFileSync(new URL(`${name}.json`, here), text);
}

const seconds = (date) => Math.floor(date.getTime() / 1000);

write("croner", questions.cron, ({ cron, zone, after }) =>
  new Cron(cron, { timezone: zone }).nextRuns(COUNT, new Date(after * 1000)).map(seconds),
);
write("cron-parser", questions.cron, ({ cron, zone, after }) => {
  const options = { currentDate: new Date(after * 1000), tz: zone };
  const times = CronExpressionParser.parse(cron, options);
  return Array.from({ length: COUNT }, () => seconds(times.next().toDate()));
});
