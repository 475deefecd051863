import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Client } from "@connectrpc/connect";
import { Kafka, logLevel } from "kafkajs";
import type { ExecutorService } from "../../../gen/ts/tickwheel/v1/executor_service_pb.js";
import { untilAnswered } from "./report.js";
import type { LogRecord } from "./run.js";

/** How many records are worked on at once, at most. */
const PORTION = 16;

/** A log, read by a group. What is not finished is handed out again. */
export interface Source {
  /** Has each record executed, and says that it is finished only then; until aborted. */
  run(execute: (record: LogRecord) => Promise<void>, signal: AbortSignal): Promise<void>;
}

type ExecutorClient = Client<typeof ExecutorService>;

/** Asks the api whether it has a log of its own; where it has none the log is Kafka. */
export async function openSource(
  client: ExecutorClient,
  brokers: string,
  topic: string,
  group: string,
): Promise<Source> {
  const hasLog = await untilAnswered(async () => {
    try {
      await client.pullRecords({ topic, group, max: 0 });
      return true;
    } catch (error) {
      if (ConnectError.from(error).code === Code.Unimplemented) {
        return false;
      }
      throw error;
    }
  });
  if (hasLog) {
    return new EmbeddedLog(client, topic, group);
  }
  if (!brokers) {
    throw new Error("the log is Kafka: name its brokers by --kafka-bootstrap");
  }
  return new KafkaLog(brokers.split(","), topic, group);
}

class KafkaLog implements Source {
  constructor(
    private readonly brokers: string[],
    private readonly topic: string,
    private readonly group: string,
  ) {}

  async run(execute: (record: LogRecord) => Promise<void>, signal: AbortSignal): Promise<void> {
    const kafka = new Kafka({ brokers: this.brokers, logLevel: logLevel.WARN });
    const consumer = kafka.consumer({ groupId: this.group, rebalanceTimeout: 300_000 });
    await consumer.connect();
    // A group that was never seen must not miss what is there already.
    await consumer.subscribe({ topics: [this.topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 4,
      eachBatch: async ({
        batch,
        heartbeat,
        isRunning,
        isStale,
        resolveOffset,
        commitOffsetsIfNecessary,
        uncommittedOffsets,
      }) => {
        for (let first = 0; first < batch.messages.length; first += PORTION) {
          if (signal.aborted || !isRunning() || isStale()) {
            return;
          }
          const portion = batch.messages.slice(first, first + PORTION);
          // Kafka takes a consumer for dead that is silent while its handlers are at work.
          const alive = setInterval(() => void heartbeat().catch(() => undefined), 3_000);
          try {
            await Promise.all(
              portion.map((message) =>
                execute({ headers: headersOf(message.headers ?? {}), value: message.value ?? new Uint8Array() }),
              ),
            );
          } finally {
            clearInterval(alive);
          }
          for (const message of portion) {
            resolveOffset(message.offset);
          }
          // Only now: after a crash before this line the records are handed out again. Not by
          // consumer.commitOffsets, which does nothing while the consumer stops.
          await commitOffsetsIfNecessary(uncommittedOffsets());
        }
      },
    });
    await aborted(signal);
    await consumer.disconnect();
  }
}

class EmbeddedLog implements Source {
  constructor(
    private readonly client: ExecutorClient,
    private readonly topic: string,
    private readonly group: string,
  ) {}

  async run(execute: (record: LogRecord) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { client, topic, group } = this;
    while (!signal.aborted) {
      // Without a consumer's name each call is a member of its own, whose records are handed out
      // again after its session: longer than a run takes.
      const { records } = await untilAnswered(() =>
        client.pullRecords({
          topic,
          group,
          max: PORTION,
          wait: durationFromMs(5_000),
          sessionTimeout: durationFromMs(300_000),
        }),
      );
      await Promise.all(
        records.map((record) => {
          const headers = new Map<string, string>();
          for (const { key, value } of record.headers) {
            if (!headers.has(key)) {
              headers.set(key, new TextDecoder().decode(value));
            }
          }
          return execute({ headers, value: record.value });
        }),
      );
      if (records.length > 0) {
        const places = records.map(({ partition, offset }) => ({ partition, offset }));
        await untilAnswered(() => client.ackRecords({ topic, group, records: places }));
      }
    }
  }
}

type KafkaHeaders = Record<string, Buffer | string | (Buffer | string)[] | undefined>;

function headersOf(headers: KafkaHeaders): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    const first = Array.isArray(value) ? value[0] : value;
    if (first !== undefined) {
      found.set(name, first.toString());
    }
  }
  return found;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
    }
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
