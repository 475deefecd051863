import { anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, RetryInfoSchema } from "../../../gen/ts/google/rpc/error_details_pb.js";
import type { Status } from "../../../gen/ts/google/rpc/status_pb.js";

/** An outcome is reported until so long after the attempt's time is over: clocks differ. */
const LATE_MS = 30_000;

/** One item of a call was refused, by itself. */
export class Refused extends Error {
  constructor(readonly status: Status) {
    super(status.message);
  }
}

/**
 * An item of an answer.
 *
 * @throws Refused where it says so.
 */
export function refusal<T extends { error?: Status }>(result: T | undefined): T {
  if (result === undefined) {
    throw new Error("the server has left an item out");
  }
  if (result.error) {
    throw new Refused(result.error);
  }
  return result;
}

/** Whether another try cannot change the answer. */
export function isFinal(error: unknown): boolean {
  return [Code.InvalidArgument, Code.NotFound, Code.FailedPrecondition].includes(codeOf(error));
}

/** Whether a start was refused because the run needs no report: COMPLETION_PUBLISHED. */
export function isPublishedOnly(error: unknown): boolean {
  if (!(error instanceof Refused)) {
    return false;
  }
  return error.status.details.some(
    (detail) => anyUnpack(detail, ErrorInfoSchema)?.metadata.completion === "COMPLETION_PUBLISHED",
  );
}

/**
 * Repeats a report, which changes nothing when it is made twice, until it is accepted or refused
 * for good, or the time is over.
 */
export async function untilAnswered<T>(report: () => Promise<T>, deadline?: Date): Promise<T> {
  for (let wait = 200; ; wait = Math.min(2 * wait, 5_000)) {
    try {
      return await report();
    } catch (error) {
      const over = deadline !== undefined && Date.now() > deadline.getTime() + LATE_MS;
      if (isFinal(error) || over) {
        throw error;
      }
      const pause = retryDelayMs(error) ?? wait;
      console.warn(`a report is repeated in ${pause} ms: ${String(error)}`);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

function codeOf(error: unknown): Code {
  // The same numbers as of gRPC.
  return error instanceof Refused ? error.status.code : ConnectError.from(error).code;
}

function retryDelayMs(error: unknown): number | undefined {
  const found =
    error instanceof Refused
      ? error.status.details.map((detail) => anyUnpack(detail, RetryInfoSchema))
      : ConnectError.from(error).findDetails(RetryInfoSchema);
  const delay = found.find((info) => info !== undefined)?.retryDelay;
  return delay && durationMs(delay);
}
