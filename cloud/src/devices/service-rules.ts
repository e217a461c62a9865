/**
 * Rules together with what operators have said of gateways and devices: part of the set of rules, so
 * that it comes to engines by ticks, and a replay decides the same.
 */
import type { DeviceBook } from "@causeway/shared/devices/device-facts.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Service } from "@causeway/shared/rules/fleet.ts";
import { GatewayBook } from "../gateways/gateway-entry.ts";
import type { LoadedRules } from "../rules/rules-document.ts";
import { loadedFrom } from "../rules/rules-document.ts";

/** Of each list; of more, rules are not told. */
export const serviceRowsMax = 5_000;

/** Where tags of devices are known from. */
export interface TagSource {
  readonly tagsVersion: number;
  tagged(): NonNullable<Service["tags"]>;
}

const noTags: TagSource = { tagsVersion: 0, tagged: () => [] };

/** Undefined where there is nothing to be said. */
export function serviceOf(
  book: DeviceBook,
  source = noTags,
  gateways = new GatewayBook(),
): Service | undefined {
  const out = book.outOfService().map(({ gateway, device }) => [gateway, device] as const);
  const as = book
    .successions()
    .map(({ gateway, device, as: own }) => [gateway, device, own] as const);
  const tags = boundedTags(source.tagged());
  const places = placesOf(gateways);
  if (Math.max(out.length, as.length, tags.length, places.length) === 0) return undefined;
  const told = {
    ...(tags.length === 0 ? {} : { tags }),
    ...(places.length === 0 ? {} : { places }),
  };
  return { out: bounded(out), as: bounded(as), ...told };
}

/** Gateways of one site and the same labels are told together. */
function placesOf(gateways: GatewayBook): NonNullable<Service["places"]> {
  const told = gateways
    .all()
    .filter(({ site, labels }) => site !== undefined || Object.keys(labels).length > 0);
  const groups = Map.groupBy(told, ({ site = "", labels }) => JSON.stringify([site, labels]));
  return [...groups]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([, own]) => {
      const [{ site = "", labels } = { labels: {} }] = own;
      return [[site, labels, own.map(({ gateway }) => gateway)] as const];
    });
}

/** So many devices; in an order of their own, as their groups are. */
function boundedTags(groups: NonNullable<Service["tags"]>): NonNullable<Service["tags"]> {
  let room = serviceRowsMax;
  const keyed = groups.map((group) => [`${group[0]}\n${group[1].join("\n")}`, group] as const);
  const sorted = keyed.sort(([one], [other]) => (one < other ? -1 : 1));
  return sorted.flatMap(([, [gateway, tags, devices]]) => {
    const kept = [...devices].sort().slice(0, room);
    room -= kept.length;
    return kept.length === 0 ? [] : [[gateway, tags, kept] as const];
  });
}

/** In an order of their own, so that equal facts make equal rules. */
function bounded<Row extends readonly string[]>(rows: readonly Row[]): readonly Row[] {
  const keyed = rows.map((row) => [row.join("\n"), row] as const);
  const sorted = keyed.sort(([one], [other]) => (one < other ? -1 : 1));
  return sorted.slice(0, serviceRowsMax).map(([, row]) => row);
}

/** Throws CONFIG_INVALID where that makes them too large. */
export function withService(loaded: LoadedRules, service: Service | undefined): LoadedRules {
  const { service: before, ...fleet } = loaded.fleet;
  if (service === undefined && before === undefined) return loaded;
  const own = service === undefined ? fleet : { ...fleet, service };
  return loadedFrom({ rules: loaded.rules, fleet: own }, loaded.source);
}

/** The same object until the rules or the book change. */
export class ServiceRules {
  readonly #book: DeviceBook;
  readonly #log: Logger;
  #made:
    | { readonly of: LoadedRules; readonly seen: readonly unknown[]; readonly rules: LoadedRules }
    | undefined;
  readonly #gateways: GatewayBook;
  readonly #tags: () => TagSource | undefined;
  #begun = noTags;

  /** `tags` are undefined until they are known. */
  constructor(
    book: DeviceBook,
    log: Logger,
    tags: () => TagSource | undefined = () => noTags,
    gateways = new GatewayBook(),
  ) {
    this.#book = book;
    this.#gateways = gateways;
    this.#log = log;
    this.#tags = tags;
  }

  /** The rules that were in force: their tags are those of devices until these are known. */
  begin({ fleet }: LoadedRules): void {
    const tagged = fleet.service?.tags ?? [];
    this.#begun = { tagsVersion: 0, tagged: () => tagged };
  }

  of(loaded: LoadedRules): LoadedRules {
    const source = this.#tags() ?? this.#begun;
    const seen = [this.#book.version, this.#gateways.version, source, source.tagsVersion];
    const isSame = seen.every((one, at) => one === this.#made?.seen[at]);
    if (this.#made?.of !== loaded || !isSame)
      this.#made = { of: loaded, seen, rules: this.#with(loaded, source) };
    return this.#made.rules;
  }

  #with(loaded: LoadedRules, source: TagSource): LoadedRules {
    const service = serviceOf(this.#book, source, this.#gateways);
    const tagged = (service?.tags ?? []).reduce((count, [, , ids]) => count + ids.length, 0);
    const rows = [service?.out.length ?? 0, service?.as.length ?? 0, tagged];
    if (Math.max(...rows) >= serviceRowsMax)
      this.#log.warn(
        { rows: serviceRowsMax },
        "more is out of service, or has tags, than rules are told of",
      );
    try {
      return withService(loaded, service);
    } catch (failure) {
      const fields = { reason: reasonOf(failure) };
      this.#log.error(
        fields,
        "rules are not told what is said of gateways and devices: too much is",
      );
      return loaded;
    }
  }
}
