/** What expressions see of an item: one object, changed for each. */
import type { Quality, Reading } from "../../event.ts";
import type { CelPredicate, CelVariables } from "../cel.ts";
import type { PatternContext } from "./compile.ts";

export interface SeriesFacts {
  readonly site: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly family: string;
}

export function factsOf(context: PatternContext, gateway: string, device: string): SeriesFacts {
  const { tags, family } = context.fleet.device(device);
  const labels = context.gateway?.(gateway).labels ?? context.labels;
  return { site: context.site, labels, tags, family };
}

export class SeriesView implements CelVariables {
  value = 0;
  text = "";
  on = false;
  metric = "";
  device = "";
  gateway = "";
  site = "";
  family = "";
  unit = "";
  quality: Quality = "good";
  tags: readonly string[] = [];
  labels: Readonly<Record<string, string>> = {};
  at = 0;

  get time(): Date {
    return new Date(this.at);
  }

  look(context: PatternContext, gateway: string, device: string, metric: string): void {
    this.see(factsOf(context, gateway, device), gateway, device, metric);
  }

  /** As `look`, where it is known what is known of them. */
  see(facts: SeriesFacts, gateway: string, device: string, metric: string): void {
    this.gateway = gateway;
    this.site = facts.site;
    this.labels = facts.labels;
    this.device = device;
    this.metric = metric;
    this.tags = facts.tags;
    this.family = facts.family;
  }

  tell(value: Reading["value"], unit: string | undefined, quality: Quality): void {
    if (typeof value === "number") this.value = value;
    else if (typeof value === "string") this.text = value;
    else if (typeof value === "boolean") this.on = value;
    this.unit = unit ?? "";
    this.quality = quality;
  }
}

/** Whether a value is of the type that an expression asks for. */
export function isWanted(
  wants: CelPredicate["wants"],
  value: Reading["value"],
  quality: Quality,
): boolean {
  switch (wants) {
    case "any":
      return true;
    case "number":
      return typeof value === "number" && quality !== "bad" && Number.isFinite(value);
    case "text":
      return typeof value === "string" && quality !== "bad";
    case "boolean":
      return typeof value === "boolean" && quality !== "bad";
  }
}
