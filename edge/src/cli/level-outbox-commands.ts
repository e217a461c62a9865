/** `causeway-edge outbox`: looks into the outbox of a gateway that does not run. */
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import type { Log } from "@causeway/shared/event.ts";
import { eventId, logs } from "@causeway/shared/event.ts";
import { exitCodes } from "@causeway/shared/system-process.ts";
import { Ages } from "../outbox/age.ts";
import { backlogOf } from "../outbox/backlog.ts";
import type { StoredBlock } from "../outbox/continuity.ts";
import { readable } from "../outbox/continuity.ts";
import type { Epoch } from "../outbox/epoch.ts";
import { viewOf } from "../outbox/epoch.ts";
import { findEpochs } from "../outbox/found-epochs.ts";
import { blockPosition, logKeys } from "../outbox/layout.ts";
import { checkLevelFiles, checkStopped, openLevelStore } from "../outbox/level-store.ts";
import { findMissing } from "../outbox/missing.ts";
import { readGiven, readOffsets } from "../outbox/opening.ts";
import { readBlocks } from "../outbox/reading.ts";
import { storedBytes } from "../outbox/space.ts";
import type { Store } from "../outbox/store.ts";
import { bytesText, durationText, lossesText } from "../status/outbox-figures.ts";

export interface OutboxCommand {
  readonly gateway: string;
  readonly folder: string;
  readonly clock: Clock;
  readonly write: (lines: string) => Promise<void>;
  readonly json: boolean;
}

const pageBytes = 1_024 * 1_024;
const pageBlocksMax = 1_000;

/** How much waits, how old it is, what was given up, and the epochs that are kept. */
export async function outboxStatus({ folder, clock, write, json }: OutboxCommand): Promise<number> {
  return opened(folder, async (store) => {
    const faults: string[] = [];
    const { epochs, faults: found } = await findEpochs(store);
    const offsets = await readOffsets(store, faults);
    const given = await readGiven(store, faults);
    const nowMs = clock.wallMs();
    // The boot that runs may never have had a gateway: its offset is what its clocks say.
    const known = new Map([...offsets, [clock.bootId, nowMs - clock.bootMs()]]);
    const backlog = await backlogOf(store, epochs, new Ages(clock, known));
    const bytes = await storedBytes(store);
    const views = epochs.map(viewOf);
    const status = { backlog, bytes, ...given, faults: [...found, ...faults], epochs: views };
    if (json) return said(write, [JSON.stringify(status)], exitCodes.good);
    const lines = logs.map((log) => {
      const { events, bytes: waiting, ageMs } = backlog[log];
      const age = ageMs === undefined ? "" : `, up to ${durationText(ageMs)} old`;
      return `${log}: ${events} events not taken, ${bytesText(waiting)}${age}`;
    });
    lines.push(`stored: ${bytesText(bytes.telemetry + bytes.priority)}, ${epochs.length} epochs`);
    lines.push(`thinned: ${given.thinned} events`, `lost: ${lossesText(given.lost)}`);
    for (const { id, last, released } of views) {
      const waiting = logs.filter((log) => released[log] < last[log]);
      const texts = waiting.map((log) => `${log} ${released[log] + 1}-${last[log]}`);
      if (texts.length > 0) lines.push(`epoch ${id}: not taken ${texts.join(", ")}`);
    }
    lines.push(...status.faults.map((fault) => `fault: ${fault}`));
    return said(write, lines, exitCodes.good);
  });
}

/** Every checksum, of files, records and blocks, and that no position is missing; 1 on a finding. */
export async function verifyOutbox({ folder, write, json }: OutboxCommand): Promise<number> {
  let findings = await checkLevelFiles(folder);
  let counts = { blocks: 0, bytes: 0 };
  // A damaged store would be built anew by an opening, and that is the gateway's to do.
  if (findings.length === 0) {
    ({ findings, counts } = await opened(folder, verifyContents));
  }
  const exitCode = findings.length === 0 ? exitCodes.good : exitCodes.finding;
  if (json) return said(write, [JSON.stringify({ ...counts, findings })], exitCode);
  const read = `${counts.blocks} blocks, ${bytesText(counts.bytes)} read`;
  const sum = findings.length === 0 ? "all checksums are right" : `${findings.length} findings`;
  return said(write, [...findings, `${read}: ${sum}`], exitCode);
}

async function verifyContents(store: Store) {
  const { epochs, faults } = await findEpochs(store);
  const findings = [...faults];
  const counts = { blocks: 0, bytes: 0 };
  for (const log of logs) {
    let { from, until } = logKeys(log);
    for (;;) {
      const page = await store.scan({ from, until, countMax: pageBlocksMax, bytesMax: pageBytes });
      for (const entry of page) {
        counts.blocks++;
        counts.bytes += entry[1].length;
        if (readable(entry) !== undefined) continue;
        const ordinal = Buffer.from(entry[0]).readUInt32BE(2);
        findings.push(`epoch ${ordinal} ${log}: the block at ${blockPosition(entry[0])} is rotten`);
      }
      const last = page.at(-1);
      if (last === undefined) break;
      from = Buffer.concat([last[0], Buffer.of(0)]);
    }
  }
  for (const { epoch, log, from, to } of await findMissing(store)) {
    findings.push(`epoch ${epoch} ${log}: positions ${from} to ${to} are missing`);
  }
  return { findings, counts, epochs: epochs.length };
}

/** A line of JSON for each event, of what is not taken or of all that is kept. */
export async function exportOutbox(command: OutboxCommand, all: boolean): Promise<number> {
  const { folder, clock, gateway, write } = command;
  return opened(folder, async (store) => {
    const { epochs } = await findEpochs(store);
    const offsets = await readOffsets(store, []);
    for (const epoch of epochs) {
      for (const log of logs) {
        const first = all ? epoch.kept[log] : epoch.released[log] + 1;
        for (let from = first; from <= epoch.last[log]; ) {
          const wanted = { epoch, log, from, bytesMax: pageBytes, toSend: false };
          const blocks = await readBlocks(store, wanted, clock);
          const lines = blocks.flatMap((block) =>
            linesOf(gateway, epoch, log, from, block, offsets),
          );
          await write(lines.map((line) => `${line}\n`).join(""));
          from = Math.max(from, blocks.at(-1)?.to ?? epoch.last[log]) + 1;
        }
      }
    }
    return exitCodes.good;
  });
}

function linesOf(
  gateway: string,
  { record }: Epoch,
  log: Log,
  from: number,
  { bytes }: StoredBlock,
  offsets: ReadonlyMap<string, number>,
): readonly string[] {
  const { bootId, items } = decodeBlock(bytes);
  const offset = offsets.get(bootId);
  return items
    .filter(({ to }) => to >= from)
    .map((item) => {
      const { event, fault, raw } = item;
      const id = eventId(gateway, record.id, log, item.from);
      if (event === undefined) return JSON.stringify({ id, to: item.to, fault, raw });
      const receivedAt = offset === undefined ? null : event.bootMs + offset;
      return JSON.stringify({ id, receivedAt, ...event });
    });
}

async function opened<Result>(
  folder: string,
  act: (store: Store) => Promise<Result>,
): Promise<Result> {
  await checkStopped(folder);
  const store = await openLevelStore(folder);
  try {
    return await act(store);
  } finally {
    await store.close();
  }
}

async function said(
  write: (lines: string) => Promise<void>,
  lines: readonly string[],
  exitCode: number,
): Promise<number> {
  await write(lines.map((line) => `${line}\n`).join(""));
  return exitCode;
}
