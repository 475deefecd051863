import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { durationMs, timestampDate, ValueSchema, type Value } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import {
  FinishRunSchema,
  type ExecutorService,
  type FinishRun,
} from "../../../gen/ts/tickwheel/v1/executor_service_pb.js";
import { RunState } from "../../../gen/ts/tickwheel/v1/run_pb.js";
import { isFinal, isPublishedOnly, refusal, untilAnswered } from "./report.js";
import { parse, type LogRecord, type Run } from "./run.js";

const MAX_RESULT_BYTES = 64 * 1024;

/** Thrown by a handler: another attempt would not help. */
export class NotRetryable extends Error {}

export type Handler = (run: Run, signal: AbortSignal) => Promise<unknown>;

type Reason = "cancelled" | "lost";

/**
 * Executes records and reports what came of them.
 *
 * Each call here is about one run, for the sake of simplicity. Each of the three methods takes up
 * to 1,000 at once, and an executor of many short runs should gather them.
 */
export class Executor {
  constructor(
    private readonly client: Client<typeof ExecutorService>,
    private readonly name: string,
    private readonly handle: Handler,
  ) {}

  /** Executes a record; resolves when nothing remains to be told of it. */
  async execute(record: LogRecord): Promise<void> {
    let run: Run;
    try {
      run = parse(record);
    } catch (error) {
      console.warn(`a record is passed over, it is no run: ${String(error)}`);
      return;
    }
    const stop = new AbortController();
    let started;
    try {
      started = await untilAnswered(async () => {
        const request = { runs: [{ attempt: run.key }], executor: this.name };
        const [result] = (await this.client.startRuns(request)).results;
        return refusal(result);
      });
    } catch (error) {
      if (isPublishedOnly(error)) {
        // The run has succeeded by its publication: nobody waits to hear.
        await this.handle(run, stop.signal).catch((failure: unknown) => {
          console.error(`${run.name} failed`, failure);
        });
      } else {
        console.info(`${run.eventId} is not executed: ${String(error)}`);
      }
      return;
    }
    const interval = started.heartbeatInterval ? durationMs(started.heartbeatInterval) : 10_000;
    const beating = setInterval(() => void this.beat(run, stop), Math.max(interval, 100));
    let report: FinishRun;
    try {
      if (started.cancelRequested) {
        stop.abort("cancelled" satisfies Reason);
      }
      stop.signal.throwIfAborted();
      report = succeeded(run, await this.handle(run, stop.signal));
    } catch (error) {
      report = failed(run, error);
    } finally {
      clearInterval(beating);
    }
    if (stop.signal.reason === ("lost" satisfies Reason)) {
      console.warn(`${run.eventId} was lost while it was executed`);
      return;
    }
    if (stop.signal.aborted) {
      report.state = RunState.CANCELLED;
    }
    const deadline = started.timeoutTime && timestampDate(started.timeoutTime);
    try {
      await untilAnswered(async () => {
        const request = { runs: [report], executor: this.name };
        return refusal((await this.client.finishRuns(request)).results[0]);
      }, deadline);
    } catch (error) {
      console.warn(`the outcome of ${run.eventId} was not taken: ${String(error)}`);
    }
  }

  private async beat(run: Run, stop: AbortController): Promise<void> {
    try {
      const request = { runs: [{ attempt: run.key }], executor: this.name };
      const response = await this.client.heartbeatRuns(request);
      if (refusal(response.results[0]).cancelRequested) {
        stop.abort("cancelled" satisfies Reason);
      }
    } catch (error) {
      if (isFinal(error)) {
        stop.abort("lost" satisfies Reason);
      } else {
        console.warn(`the heartbeat of ${run.eventId} failed: ${String(error)}`);
      }
    }
  }
}

function succeeded(run: Run, result: unknown): FinishRun {
  return create(FinishRunSchema, { attempt: run.key, state: RunState.SUCCEEDED, result: value(result) });
}

function failed(run: Run, error: unknown): FinishRun {
  const known = error instanceof Error ? error : new Error(String(error));
  return create(FinishRunSchema, {
    attempt: run.key,
    state: RunState.FAILED,
    retryable: !(error instanceof NotRetryable),
    error: { message: known.message, type: known.constructor.name, details: known.stack ?? "" },
  });
}

/** A result as it is kept: JSON of 64 KiB at most. */
function value(result: unknown): Value | undefined {
  const text = JSON.stringify(result);
  if (text === undefined) {
    return undefined;
  }
  const size = new TextEncoder().encode(text).length;
  if (size > MAX_RESULT_BYTES) {
    throw new NotRetryable(`the result has ${size} bytes, more than ${MAX_RESULT_BYTES}`);
  }
  return fromJson(ValueSchema, JSON.parse(text) as JsonValue);
}
