// Executes the runs of a topic, with nothing of Tickwheel's but the generated stubs: takes records
// from Kafka, or from the embedded log of `tickwheel dev`, and reports through ExecutorService.
// docs/executors.md says what each step is for.

import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ExecutorService } from "../../../gen/ts/tickwheel/v1/executor_service_pb.js";
import { Executor, NotRetryable } from "./executor.js";
import type { Run } from "./run.js";
import { openSource } from "./source.js";

/**
 * What you would write: executes one run. What it resolves to is kept on the run as JSON.
 *
 * `signal` is aborted when the run is to stop: it was cancelled, or its time has run out.
 */
async function handle(run: Run, signal: AbortSignal): Promise<unknown> {
  let order: { text?: string; fail?: boolean };
  try {
    order = JSON.parse(new TextDecoder().decode(run.payload));
  } catch (error) {
    // Another attempt would not help.
    throw new NotRetryable("the payload is not JSON", { cause: error });
  }
  if (order.fail && run.attempt === 1) {
    throw new Error("the first attempt fails on purpose");
  }
  signal.throwIfAborted();
  console.log(`${run.name}, attempt ${run.attempt}: ${order.text}`);
  return { characters: [...(order.text ?? "")].length };
}

const { values: settings } = parseArgs({
  options: {
    address: { type: "string", default: process.env.TICKWHEEL_ADDRESS ?? "127.0.0.1:7420" },
    "kafka-bootstrap": { type: "string", default: process.env.TICKWHEEL_KAFKA_BOOTSTRAP ?? "" },
    topic: { type: "string", default: "greetings" },
    group: { type: "string", default: "executor-ts" },
  },
});

const stopping = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) {
  process.once(name, () => stopping.abort());
}

const transport = createGrpcTransport({ baseUrl: `http://${settings.address}` });
const client = createClient(ExecutorService, transport);
const executor = new Executor(client, `${hostname()}-${process.pid}`, handle);
const source = openSource(client, settings["kafka-bootstrap"], settings.topic, settings.group);
// Each record is executed to its end, also when a signal comes meanwhile; then it is finished.
await (await source).run((record) => executor.execute(record), stopping.signal);
process.exit(0);
