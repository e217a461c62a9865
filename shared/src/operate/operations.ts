/** What people say about alerts, as it stands in the buckets SILENCES and ACKS. */
import { acksStream, silencesStream } from "../subjects.ts";
import type { Acknowledgement } from "./acknowledgement.ts";
import { decodeAcknowledgement, isAlertId } from "./acknowledgement.ts";
import type { Silence } from "./silence.ts";
import { decodeSilence } from "./silence.ts";

export const silencesMax = 10_000;
export const acknowledgementsMax = 100_000;

export const operationsStreams = [silencesStream, acksStream] as const;
export type OperationsStream = (typeof operationsStreams)[number];

export interface OperationsView {
  /** The newest first. */
  readonly silences: readonly Silence[];
  /** By alert id. */
  readonly acknowledgements: ReadonlyMap<string, Acknowledgement>;
}

export class Operations implements OperationsView {
  readonly acknowledgements = new Map<string, Acknowledgement>();
  readonly #silences = new Map<string, Silence>();
  #listed: readonly Silence[] | undefined;
  /** Grows with every change. */
  version = 0;

  get silences(): readonly Silence[] {
    this.#listed ??= [...this.#silences.values()].sort((a, b) => b.createdAt - a.createdAt);
    return this.#listed;
  }

  /** Of a bucket; no text where its key was deleted. Throws where it cannot be read. */
  take(bucket: OperationsStream, id: string, text: string): void {
    this.#changed();
    if (bucket === silencesStream) put(this.#silences, id, text, decodeSilence, silencesMax);
    else if (isAlertId(id))
      put(this.acknowledgements, id, text, decodeAcknowledgement, acknowledgementsMax);
  }

  clear(bucket: OperationsStream): void {
    this.#changed();
    if (bucket === silencesStream) this.#silences.clear();
    else this.acknowledgements.clear();
  }

  #changed(): void {
    this.version++;
    this.#listed = undefined;
  }
}

/** At the bound the oldest goes. */
function put<Value>(
  own: Map<string, Value>,
  id: string,
  text: string,
  decode: (text: string) => Value,
  max: number,
): void {
  own.delete(id);
  if (text === "") return;
  own.set(id, decode(text));
  const [oldest] = own.keys();
  if (own.size > max && oldest !== undefined) own.delete(oldest);
}
