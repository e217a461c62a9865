/**
 * What the rules of one gateway find, in two steps as in the cloud: readings and ticks change what
 * detectors know; only with effect they change alarms, and are told.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { Alerting, GatewayAlerts, GatewayDetection } from "@causeway/shared/alert/alerting.ts";
import type { Reading, ReadingEvent } from "@causeway/shared/event.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { noteGatewayTime } from "@causeway/shared/rules/detection.ts";
import { GatewayPatterns } from "@causeway/shared/rules/pattern/gateway-patterns.ts";

const nothing: readonly AlertTransition[] = [];

export class Judge {
  readonly #gateway: GatewayId;
  #alerting: Alerting;
  #detection: GatewayDetection;
  #alerts: GatewayAlerts;

  constructor(gateway: GatewayId, alerting: Alerting) {
    this.#gateway = gateway;
    this.#alerting = alerting;
    this.#detection = alerting.detection(gateway);
    this.#alerts = alerting.alerts();
  }

  /** Throws where this build cannot read it. */
  restoreDetection(text: string): void {
    this.#detection = this.#alerting.decodeDetection(text, this.#gateway);
  }

  /** Throws where this build cannot read it. */
  restoreAlerts(text: string): void {
    this.#alerts = this.#alerting.decodeAlerts(text, this.#gateway);
  }

  /** Detectors that are the same in both go on; alarms that no rule looks at any more will end. */
  useRules(alerting: Alerting): void {
    const encoded = this.#alerting.encodeDetection(this.#detection);
    this.#detection = alerting.decodeDetection(encoded, this.#gateway);
    this.#alerting = alerting;
    alerting.rejudge(this.#alerts, this.#gateway);
  }

  observe(
    id: string,
    event: ReadingEvent,
    receivedAt: number,
    hasEffect: boolean,
  ): readonly AlertTransition[] {
    const { readings } = event;
    if (event.device === null) return nothing;
    const device = this.#detection.rules.seriesOf(event.device);
    let told = nothing;
    for (let index = 0; index < readings.length; index++) {
      const { metric, value, unit, quality, observedAt } = readings[index] as Reading;
      const observation = {
        ...{ id: `${id}/${index}`, gateway: this.#gateway, device, metric, value, unit, quality },
        ...{ observedAt: observedAt ?? event.observedAt, receivedAt, late: false },
      };
      const verdicts = this.#alerting.observe(this.#detection, observation);
      if (!hasEffect) continue;
      const transitions = this.#alerting.advance(
        this.#alerts,
        verdicts,
        observation,
        this.#detection,
      );
      if (transitions.length > 0) told = [...told, ...transitions];
    }
    return told;
  }

  /** All that came before `at` was observed; `timeline` says what clock it is counted by. */
  tick(n: number, at: number, timeline: string, hasEffect: boolean): readonly AlertTransition[] {
    noteGatewayTime(this.#detection, timeline, at);
    const moment = { id: `${this.#gateway}/clk/${n}`, gateway: this.#gateway, at };
    const verdicts = this.#alerting.tick(this.#detection, moment);
    if (!hasEffect) return nothing;
    return this.#alerting.advanceTick(this.#alerts, verdicts, moment, this.#detection);
  }

  /** The clock was set: what was dated by it before is dated `byMs` later now. */
  shiftTime(byMs: number): void {
    const detection = this.#detection;
    for (const [, , series] of detection.series.entries()) series.receivedAt += byMs;
    const patterns = new GatewayPatterns(detection.patterns.set, detection.patterns.bounds);
    this.#detection = { ...detection, patterns, time: undefined };
  }

  encodeDetection(): string {
    return this.#alerting.encodeDetection(this.#detection);
  }

  encodeAlerts(): string {
    return this.#alerting.encodeAlerts(this.#alerts);
  }

  figures() {
    const { series, readingsBeyond } = this.#detection;
    return { series: series.size, readingsBeyond, refused: this.#alerts.refused };
  }
}
