import { create } from "@bufbuild/protobuf";
import { RunAttemptSchema, type RunAttempt } from "../../../gen/ts/tickwheel/v1/executor_service_pb.js";

/** A record of either log. */
export interface LogRecord {
  headers: Map<string, string>;
  value: Uint8Array;
}

/** One attempt of a run, as its record names it. */
export interface Run {
  /** users/{user}/jobs/{job}/runs/{run} */
  name: string;
  attempt: number;
  /** The same for a duplicate of the record. */
  eventId: string;
  headers: Map<string, string>;
  payload: Uint8Array;
  key: RunAttempt;
}

/**
 * Reads the headers of a record.
 *
 * @throws Error where the record is none of Tickwheel's.
 */
export function parse(record: LogRecord): Run {
  const header = (name: string): string => {
    const value = record.headers.get(name);
    if (value === undefined) {
      throw new Error(`header ${name} is missing`);
    }
    return value;
  };
  const eventId = header("ce_id");
  const [jobUid, runId, number, ...rest] = eventId.split("/");
  const attempt = Number(header("ce_attempt"));
  if (!jobUid || !runId || Number(number) !== attempt || !(attempt >= 1) || rest.length > 0) {
    throw new Error(`header ce_id is "${eventId}", not <job uid>/<run id>/<attempt>`);
  }
  const name = `${header("ce_source")}/runs/${runId}`;
  const key = create(RunAttemptSchema, { run: name, jobUid, attempt, fence: BigInt(header("ce_fence")) });
  return { name, attempt, eventId, headers: record.headers, payload: record.value, key };
}
